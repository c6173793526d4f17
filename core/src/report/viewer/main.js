// The page. All of it is drawn from the data and the state.

import { read } from './data.js';
import { duration, KINDS, make, share, swatch } from './dom.js';
import { Flame } from './flame.js';
import { FOLDS, fold, rowTimes, usualFold } from './folding.js';
import { header, taken } from './header.js';
import { help, listen } from './keys.js';
import { format, parse, usual } from './state.js';
import { Tables } from './tables.js';
import { Timeline } from './timeline.js';
import { timeOf, timesIn } from './times.js';
import { Ordered, Tree } from './tree.js';

class App {
  constructor(data) {
    this.data = data;
    this.isDiff = data.reports.length > 1;
    this.report = data.reports[data.reports.length - 1];
    this.unfolded = data.reports.map(report => report.threads.map(() => new Set()));
    if (this.isDiff) usual.sort = '-change';
    else usual.thread = this.busiest();
    this.state = parse(location.hash);
    this.searched = data.frames.name.map((name, frame) => {
      const { frames, files } = data;
      const file = frames.file[frame];
      return `${name} ${files.path[file]} ${files.package[file]} ${KINDS[frames.kind[frame]]}`.toLowerCase();
    });
  }

  /** The thread that is shown first. */
  busiest() {
    const times = this.report.threads.map(thread => taken(this, thread));
    return Math.max(0, times.indexOf(Math.max(...times)));
  }

  get thread() {
    return this.report.threads[this.state.thread];
  }

  /** The selected range of time, or all of it. */
  get selection() {
    const { from, to } = this.state;
    return this.isSelected ? { from, to } : { from: 0, to: this.report.duration };
  }

  get isSelected() {
    return !this.isDiff && this.state.to > this.state.from;
  }

  /** Changes the state and draws. With `still` only the visible range of the flame graph changes. */
  set(changes, still = false) {
    Object.assign(this.state, changes);
    this.keep();
    if (still) this.flame.show(this.state.zoom, true);
    else this.update();
  }

  /** Writes the state into the address, at a rate that browsers accept. */
  keep() {
    this.keeping ??= setTimeout(() => {
      this.keeping = null;
      history.replaceState(null, '', format(this.state));
    }, 100);
  }

  /** Resets values of the address that do not fit this report. */
  check() {
    const { state, data, report } = this;
    if (!report.threads[Math.trunc(state.thread)]) state.thread = 0;
    state.thread = Math.trunc(state.thread);
    if (data.frames.name[state.picked] === undefined) state.picked = -1;
    state.to = Math.min(state.to, report.duration);
    if (this.isDiff && state.mode === 'time') state.mode = 'merged';
  }

  update() {
    this.check();
    const { data, state } = this;
    const { from, to } = this.selection;
    const threads = data.reports.map(report => report.threads[state.thread]);
    const times = once(`${state.thread} ${from} ${to}`, this, 'times', () =>
      data.reports.map((report, side) => {
        const thread = threads[side] ?? EMPTY;
        return timesIn(data, thread, this.isDiff ? 0 : from, this.isDiff ? report.duration : to);
      }),
    );
    if (state.fold === '') state.fold = usual.fold = usualFold(data, times[times.length - 1]);
    const opened = this.unfolded.map(threads => threads[state.thread]?.size ?? 0);
    const folded = once(`${state.thread} ${state.fold} ${opened}`, this, 'folded', () =>
      times.map(({ thread }, side) => fold(data, thread, state.fold, this.unfolded[side][state.thread] ?? new Set())),
    );
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    this.matches = words.length > 0 ? this.searched.map(text => words.every(word => text.includes(word))) : null;
    const rows = `${state.thread} ${from} ${to} ${state.fold} ${opened} ${state.mode} ${state.unit}`;
    const isNew = rows !== this.shown;
    this.shown = rows;
    if (isNew) {
      this.sides = times.map((times, side) => {
        const scale = this.isDiff ? this.scaleOf(times, data.reports[side]) : 1;
        return { times, folding: folded[side], self: rowTimes(folded[side], times), scale };
      });
      this.tree =
        state.mode === 'time'
          ? new Ordered(data, this.sides[0], from, to)
          : new Tree(data, this.sides, state.mode === 'callers');
    }
    for (const part of this.parts) part();
    if (isNew) this.flame.reset();
    else this.flame.show(state.zoom, false);
  }

  /** The factor that makes times of two reports comparable: per sampled time, or per second of the run. */
  scaleOf(times, report) {
    const whole = this.state.unit === 'percent' ? times.whole : report.duration;
    return whole > 0 ? 1 / whole : 0;
  }

  scaled(times) {
    return times.map((time, side) => time * this.sides[side].scale);
  }

  /** A scaled time as text. */
  amount(value, isChange) {
    if (!this.isDiff) return duration(value);
    const sign = isChange && value > 0 ? '+' : '';
    return this.state.unit === 'percent' ? sign + share(value, 1) : `${sign}${duration(value * 1e6)}/s`;
  }

  unfold(row) {
    row.nodes.forEach((nodes, side) => {
      for (const node of nodes) this.unfolded[side][this.state.thread].add(node);
    });
    this.set({});
  }

  get isUnfolded() {
    return this.unfolded.some(threads => threads[this.state.thread]?.size > 0);
  }

  /** Folds all runs of a level again. */
  refold(level) {
    for (const threads of this.unfolded) threads[this.state.thread]?.clear();
    this.set({ fold: level, zoom: [0, 1] });
  }

  nextThread(step) {
    const { length } = this.report.threads;
    this.set({ thread: (this.state.thread + step + length) % length, zoom: [0, 1] });
  }

  /** Undoes one step: search, zoom, unfolding, selection, picked function. */
  back() {
    const { state } = this;
    if (state.query) this.set({ query: '' });
    else if (state.zoom[0] > 0 || state.zoom[1] < 1) this.set({ zoom: [0, 1] });
    else if (this.isUnfolded) this.refold(state.fold);
    else if (this.isSelected) this.set({ from: 0, to: 0 });
    else if (state.picked >= 0) this.set({ picked: -1 });
  }

  /** The share of time that the search matches, as text. */
  found() {
    if (!this.matches) return '';
    const { times } = this.sides[this.sides.length - 1];
    const time = timeOf(times, this.matches);
    return `${share(time, times.whole)} of the time matches`;
  }

  whyEmpty() {
    if (this.thread?.time.length > 0)
      return this.isSelected ? 'Nothing ran in this range.' : 'Nothing ran: the thread was idle.';
    return 'No samples: the recording was shorter than a sampling interval, or the thread never ran.';
  }
}

/** Stands for a thread that the other report does not have. */
const EMPTY = {
  parent: new Int32Array(1),
  depth: new Int32Array(1),
  frame: new Int32Array([-1]),
  time: new Float64Array(0),
  node: new Int32Array(0),
  line: [],
};

/** Caches the last result by its key. */
function once(key, owner, name, compute) {
  owner.kept ??= {};
  if (owner.kept[name]?.key !== key) owner.kept[name] = { key, value: compute() };
  return owner.kept[name].value;
}

function toolbar(app) {
  const choice = (name, value, label, title) =>
    make('button', { title, onclick: () => app.set({ [name]: value, zoom: [0, 1] }), 'data-value': value }, label);
  const modes = make(
    'div.choice',
    { role: 'group', 'aria-label': 'Flame graph' },
    choice('mode', 'merged', 'Merged', 'All calls of a function from one place together (1)'),
    app.isDiff ? null : choice('mode', 'time', 'Time order', 'Calls as they came (2)'),
    choice('mode', 'callers', 'Callers', 'What ran, and below it who called it (3)'),
  );
  const units = make(
    'div.choice',
    { role: 'group', 'aria-label': 'Unit' },
    choice('unit', 'percent', 'Percent', 'Parts of all that ran'),
    choice('unit', 'second', 'Per second', 'Time for each second of the run'),
  );
  const folds = make('select', { 'aria-label': 'Folding', title: 'What is one row (f)' });
  folds.append(...Object.entries(FOLDS).map(([value, text]) => make('option', { value }, text)));
  folds.addEventListener('change', () => app.refold(folds.value));
  const search = make('input', { type: 'search', placeholder: 'Search  /', 'aria-label': 'Search', spellcheck: false });
  search.addEventListener('input', () => app.set({ query: search.value }));
  const legend = make('ul.legend', { 'aria-label': 'Kinds of code' });
  const selected = make('button.chip', {
    title: 'Show all of the time (Esc)',
    onclick: () => app.set({ from: 0, to: 0, zoom: [0, 1] }),
  });
  const zoomed = make(
    'button.chip',
    { title: 'Show all rows (Esc)', onclick: () => app.set({ zoom: [0, 1] }) },
    'Zoomed ×',
  );
  const unfold = { title: 'Fold again (Esc)', onclick: () => app.refold(app.state.fold) };
  const unfolded = make('button.chip', unfold, 'Unfolded ×');
  const draw = () => {
    const { state } = app;
    for (const button of modes.children)
      button.setAttribute('aria-pressed', String(button.dataset.value === state.mode));
    for (const button of units.children)
      button.setAttribute('aria-pressed', String(button.dataset.value === state.unit));
    folds.value = state.fold;
    if (search.value !== state.query) search.value = state.query;
    const { times } = app.sides[app.sides.length - 1];
    const items = KINDS.map((name, kind) => {
      const text = `${share(times.kinds[kind], times.whole)}`;
      return make('li', { title: duration(times.kinds[kind]) }, swatch(kind), name, make('small', {}, text));
    });
    legend.replaceChildren(...items);
    selected.hidden = !app.isSelected;
    const { from, to } = app.selection;
    selected.textContent = `${duration(from)} – ${duration(to)}: ${duration(times.whole)} ran ×`;
    zoomed.hidden = state.zoom[0] === 0 && state.zoom[1] === 1;
    unfolded.hidden = !app.isUnfolded;
  };
  const chips = make('div.chips', {}, selected, unfolded, zoomed);
  const element = make(
    'div.toolbar',
    {},
    modes,
    app.isDiff && units,
    folds,
    app.isDiff ? diffLegend() : legend,
    search,
  );
  return { element, draw, search, chips };
}

function start(data) {
  const app = new App(data);
  const dialog = help();
  const head = header(app, () => dialog.showModal());
  const root = document.getElementById('app');
  document.title = app.report.title;
  if (app.report.threads.length === 0) {
    const message = ['Nothing was recorded.', ...app.report.unrecorded].join(' ');
    root.append(make('header', {}, make('h1', {}, app.report.title), make('p', {}, message)));
    return;
  }
  const tools = toolbar(app);
  const flame = new Flame(app);
  const timeline = new Timeline(app);
  const tables = new Tables(app);
  Object.assign(app, { flame, parts: [head.draw, tools.draw, () => timeline.draw(), () => tables.draw()] });
  flame.element.append(tools.chips);
  const main = make(app.isDiff ? 'main.diff' : 'main', {}, flame.element, tables.element);
  root.append(head.element, ...(app.isDiff ? [] : [timeline.element]), tools.element, main, dialog);
  listen(app, { flame, timeline, search: tools.search, dialog });
  addEventListener('hashchange', () => {
    app.state = parse(location.hash);
    app.update();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => app.update());
  app.update();
  document.documentElement.dataset.ready = 'true';
}

/** The colours of a diff. */
function diffLegend() {
  const items = [
    ['less', 'less than before'],
    ['same', 'as before'],
    ['more', 'more than before'],
  ].map(([name, text]) => make('li', {}, make(`i.swatch.${name}`), text));
  return make('ul.legend', { 'aria-label': 'Colours', title: 'A row is as wide as the mean of both' }, items);
}

start(read(window.packedReport));
