// The header: the command, its end, its threads.

import { cpuprofile, save } from './cpuprofile.js';
import { COLLECTOR, count, duration, make, share } from './dom.js';
import { timesIn } from './times.js';

const DATE = { dateStyle: 'medium', timeStyle: 'medium' };

/** The CPU time of a thread if it was measured, otherwise its sampled time. */
export function taken(app, thread) {
  thread.ran ??= timesIn(app.data, thread, 0, Number.POSITIVE_INFINITY);
  return thread.cpuTime ?? thread.ran.whole;
}

function facts(app, report, thread) {
  taken(app, thread);
  const { whole, kinds } = thread.ran;
  const span = thread.end - thread.start;
  const cpu = report.threads.every(thread => thread.cpuTime !== null)
    ? report.threads.reduce((sum, thread) => sum + thread.cpuTime, 0)
    : null;
  const of = (label, time, whole) => [label, `${duration(time)}`, share(time, whole)];
  const samples = thread.node.reduce((sum, node) => sum + (node > 0 ? 1 : 0), 0);
  return [
    ['duration', duration(report.duration)],
    cpu !== null && of('CPU', cpu, report.duration),
    of('ran', whole, span),
    of('GC', kinds[COLLECTOR], whole),
    of('idle', Math.max(0, span - whole), span),
    ['samples', samples.toLocaleString('en'), `every ${duration(thread.interval)}`],
    ['end', new Date(report.end / 1000).toLocaleString(undefined, DATE), report.exit],
  ].filter(Boolean);
}

function warnings(report, thread) {
  return [
    ...report.unrecorded,
    thread.dropped > 0 && `${count(thread.dropped, 'sample was', 'samples were')} dropped: the maximum was reached.`,
    thread.grain > 1 && `Times are rounded to ${duration(thread.grain)}, to keep this file small.`,
    thread.mergedCalls > 0 &&
      `${count(thread.mergedCalls, 'small call is', 'small calls are')} merged, to keep this file small.`,
  ].filter(Boolean);
}

/** A file name that is valid on every system. */
const fileName = (report, thread) =>
  `${
    `${report.title}-${thread.name}`
      .replace(/[^\w.-]+/g, '-')
      .slice(0, 80)
      .replace(/^[-.]+|[-.]+$/g, '') || 'profile'
  }.cpuprofile`;

export function header(app, openHelp) {
  const download = make('button', { title: 'For Chrome DevTools, VS Code and speedscope' }, 'Download .cpuprofile');
  download.addEventListener('click', () =>
    save(fileName(app.report, app.thread), JSON.stringify(cpuprofile(app.data, app.report, app.thread))),
  );
  const help = make('button.help', { 'aria-label': 'Keys and help', onclick: openHelp }, '?');
  const title = make('h1', {});
  const list = make('dl.facts');
  const notes = make('ul.notes');
  const threads = make('nav.threads', { 'aria-label': 'Threads', hidden: app.report.threads.length < 2 });
  const buttons = threads.hidden ? [] : fillThreads(app, threads);
  const element = make('header', {}, make('div.title', {}, title, download, help), list, notes, threads);
  const draw = () => {
    const { report, thread } = app;
    title.textContent = app.isDiff ? `${app.data.reports[0].title} → ${report.title}` : report.title;
    title.title = title.textContent;
    list.replaceChildren(
      ...facts(app, report, thread).map(([name, value, more]) =>
        make('div', {}, make('dt', {}, name), make('dd', {}, value, more ? make('small', {}, ` ${more}`) : null)),
      ),
    );
    notes.replaceChildren(...warnings(report, thread).map(text => make('li', {}, text)));
    notes.hidden = notes.childElementCount === 0;
    for (const [at, button] of buttons.entries()) button.setAttribute('aria-pressed', String(app.state.thread === at));
  };
  return { element, draw };
}

/** Adds a button for each thread, grouped by process. Returns the buttons. */
function fillThreads(app, element) {
  const { threads, processes } = app.report;
  const most = Math.max(...threads.map(thread => taken(app, thread)), 1);
  const buttons = threads.map((thread, at) => {
    const button = make(
      'button.thread',
      { onclick: () => app.set({ thread: at, zoom: [0, 1] }) },
      make('span', {}, thread.name),
      make('small', {}, duration(taken(app, thread))),
      make('i.bar'),
    );
    button.style.setProperty('--part', taken(app, thread) / most);
    return button;
  });
  processes.forEach((process, of) => {
    const label = processes.length > 1 && make('span.process', { title: process.name }, process.name);
    const own = buttons.filter((_, at) => threads[at].of === of);
    element.append(make('div.group', { role: 'group', 'aria-label': process.name }, label, own));
  });
  return buttons;
}
