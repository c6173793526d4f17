// Keyboard commands, and the help that lists them.

import { make } from './dom.js';
import { FOLDS } from './folding.js';

const KEYS = [
  ['?', 'this help'],
  ['/', 'search: words that names, files, packages and kinds have'],
  ['n N', 'next and previous match'],
  ['Esc', 'one step back: search, zoom, unfolding, selection'],
  ['1 2 3', 'flame graph merged, in time order, by callers'],
  ['f', 'what is folded: libraries, only Node, nothing'],
  ['← → ↑ ↓', 'from box to box'],
  ['Enter', 'zoom into a box'],
  ['u', 'unfold a folded row'],
  ['w s a d', 'zoom in and out, move left and right'],
  ['[ ]', 'previous and next thread'],
];

export function help() {
  const rows = KEYS.map(([keys, what]) =>
    make(
      'tr',
      {},
      make(
        'th',
        {},
        keys.split(' ').map(key => [make('kbd', {}, key), ' ']),
      ),
      make('td', {}, what),
    ),
  );
  const dialog = make(
    'dialog',
    { 'aria-label': 'Keys and help' },
    make('h2', {}, 'Reading this report'),
    make(
      'p',
      {},
      'A row is a call, as wide as the time it took with all that it called; what it calls is below it. ',
      'Own code stands out; runs of library functions are one row each, marked ▸.',
    ),
    make('p', {}, 'A drag in the time line, or a click on a span, selects a range of time for all views.'),
    make('p', {}, 'In the flame graph, a click zooms, a drag moves, Ctrl with the wheel zooms.'),
    make('table', {}, rows),
    make('button', { onclick: () => dialog.close() }, 'Close'),
  );
  dialog.addEventListener('click', event => event.target === dialog && dialog.close());
  return dialog;
}

const MODES = ['merged', 'time', 'callers'];

const next = (names, name) => names[(names.indexOf(name) + 1) % names.length];

export function listen(app, { flame, timeline, search, dialog }) {
  const commands = {
    '?': () => dialog.showModal(),
    '/': () => {
      search.focus();
      search.select();
    },
    n: () => flame.nextMatch(1),
    N: () => flame.nextMatch(-1),
    f: () => app.refold(next(Object.keys(FOLDS), app.state.fold)),
    w: () => flame.move(1 / 1.5, 0.5),
    s: () => flame.move(1.5, 0.5),
    a: () => flame.move(1, 0, -0.15),
    d: () => flame.move(1, 0, 0.15),
    '[': () => app.nextThread(-1),
    ']': () => app.nextThread(1),
    Escape: () => app.back(),
  };
  MODES.forEach((mode, at) => (commands[at + 1] = () => app.set({ mode, zoom: [0, 1] })));
  document.addEventListener('keydown', event => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    if (target === search) {
      if (key === 'Escape') search.value === '' ? search.blur() : app.set({ query: '' });
      if (key === 'Enter') flame.nextMatch(event.shiftKey ? -1 : 1);
      return;
    }
    if (target.matches('select, input')) return;
    const isDone =
      (target === timeline.canvas && timeline.key(key, event.shiftKey)) ||
      (target === flame.canvas && flame.key(key)) ||
      (commands[key] && (commands[key](), true));
    if (isDone) event.preventDefault();
  });
}
