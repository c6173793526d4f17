// The tables of functions, packages and files; callers and callees of one function.

import { place } from './data.js';
import { count, duration, KINDS, make, share, swatch } from './dom.js';
import { linesOf, neighbours, sums } from './times.js';

/** The class of a change. Less than 0.05 % is none. */
const changeOf = value => (Math.abs(value) < 0.0005 ? 'none' : value > 0 ? 'more' : 'less');

const PAGE = 100;
/** The hottest lines of a function that are shown. */
const LINES = 12;
const TABS = { functions: 'Functions', packages: 'Packages', files: 'Files' };

export class Tables {
  constructor(app) {
    this.app = app;
    this.limit = PAGE;
    this.tabs = Object.entries(TABS).map(([tab, name]) =>
      make('button', { role: 'tab', onclick: () => this.open(tab), 'data-tab': tab }, name),
    );
    this.found = make('span.found', { 'aria-live': 'polite' });
    this.table = make('table');
    this.more = make('button.further', { onclick: () => this.showMore() }, 'Show more');
    this.detail = make('section.detail', { 'aria-label': 'Hot lines, callers and callees' });
    this.body = make('div.rows', {}, this.table, this.more);
    const tabs = make('div.tabs', { role: 'tablist', 'aria-label': 'Tables' }, this.tabs, this.found);
    this.element = make('section.tables', { 'aria-label': 'Tables' }, tabs, this.body, this.detail);
  }

  open(tab) {
    this.limit = PAGE;
    this.app.set({ tab });
  }

  showMore() {
    this.limit += 10 * PAGE;
    this.draw();
  }

  /** How frames are grouped into rows. */
  groups() {
    const { data, state, isDiff } = this.app;
    const { frames, files, packages } = data;
    const kindsOf = { packages: frames.package, files: frames.file }[state.tab];
    // Frames without a package or a file are grouped by kind, after the others.
    const names = { packages, files: files.shown }[state.tab];
    const others = kindsOf ? names.length : frames.name.length;
    const groupOf = frame => {
      if (!kindsOf) return isDiff ? frames.alike[frame] : frame;
      return names[kindsOf[frame]] === '' ? others + frames.kind[frame] : kindsOf[frame];
    };
    return { groups: others + KINDS.length, groupOf, others, names };
  }

  /** The rows with their times per side, without those that did not run or do not match the search. */
  rows() {
    const { data, sides, matches } = this.app;
    const { frames } = data;
    const { groups, groupOf, others, names } = this.groups();
    const times = sides.map(side => sums(side.times, groups, groupOf));
    const example = new Int32Array(groups).fill(-1);
    const found = new Uint8Array(groups);
    for (let frame = frames.name.length - 1; frame >= 0; frame--) {
      example[groupOf(frame)] = frame;
      if (!matches || matches[frame]) found[groupOf(frame)] = 1;
    }
    const rows = [];
    for (let group = 0; group < groups; group++) {
      if (!found[group] || !times.some(({ total }) => total[group] > 0)) continue;
      const frame = example[group];
      const [self, total] = ['self', 'total'].map(name => this.app.scaled(times.map(side => side[name][group])));
      const name = names ? (group >= others ? `(${KINDS[group - others]})` : names[group]) : frames.name[frame];
      rows.push({ frame, name, where: names ? '' : place(data, frame), kind: frames.kind[frame], self, total });
    }
    return rows;
  }

  columns() {
    const { isDiff } = this.app;
    const last = pair => pair[pair.length - 1];
    const change = pair => pair[1] - pair[0];
    const time = (key, title, of) => ({ key, title, of, isTime: true });
    const name = { key: 'name', title: TABS[this.app.state.tab].replace(/s$/, ''), of: row => row.name };
    if (!isDiff) return [time('self', 'Self', r => r.self[0]), time('total', 'Total', r => r.total[0]), name];
    return [
      { ...time('change', 'Self ±', r => change(r.self)), isChange: true },
      time('self', 'Self', r => last(r.self)),
      { ...time('more', 'Total ±', r => change(r.total)), isChange: true },
      time('total', 'Total', r => last(r.total)),
      name,
    ];
  }

  /** Draws the tables and keeps the focus. */
  draw() {
    const { key } = document.activeElement?.dataset ?? {};
    const isRow = this.table.contains(document.activeElement) && !key;
    this.drawTable();
    this.drawDetail();
    if (key) this.table.querySelector(`[data-key=${key}]`)?.focus();
    else if (isRow) (this.table.querySelector('[aria-selected=true]') ?? this.table.querySelector('tbody tr'))?.focus();
  }

  drawTable() {
    const { app } = this;
    const columns = this.columns();
    const sort = app.state.sort;
    const by = columns.find(column => column.key === sort.replace('-', '')) ?? columns[0];
    const sign = sort.startsWith('-') ? -1 : 1;
    const order = by.isTime
      ? (a, b) =>
          sign * (by.isChange ? Math.abs(by.of(a)) - Math.abs(by.of(b)) : by.of(a) - by.of(b)) ||
          b.total.at(-1) - a.total.at(-1)
      : (a, b) => sign * a.name.localeCompare(b.name);
    const rows = this.rows().sort(order);
    for (const tab of this.tabs) tab.setAttribute('aria-selected', String(tab.dataset.tab === app.state.tab));
    this.found.textContent = app.found();
    const heads = columns.map(column => this.head(column, by, sign));
    const largest = column => rows.reduce((most, row) => Math.max(most, Math.abs(column.of(row))), 0);
    const most = columns.map(column => (column.isTime ? largest(column) : 0));
    const shown = rows.slice(0, this.limit).map((row, at) => this.row(row, columns, most, at === 0));
    this.table.replaceChildren(make('thead', {}, make('tr', {}, heads)), make('tbody', {}, shown));
    if (rows.length === 0) this.table.append(make('caption', {}, app.matches ? 'Nothing matches.' : 'Nothing ran.'));
    this.more.hidden = rows.length <= this.limit;
    this.more.textContent = `Show more of ${count(rows.length, 'row')}`;
  }

  head(column, by, sign) {
    const isBy = column.key === by.key;
    const next = isBy && sign < 0 ? column.key : `-${column.key}`;
    const first = column.isTime ? next : isBy && sign > 0 ? '-name' : 'name';
    const mark = isBy ? (sign < 0 ? ' ↓' : ' ↑') : '';
    return make(
      'th',
      { className: column.isTime ? 'time' : '', 'aria-sort': isBy ? (sign < 0 ? 'descending' : 'ascending') : 'none' },
      make('button', { onclick: () => this.app.set({ sort: first }), 'data-key': column.key }, column.title + mark),
    );
  }

  row(row, columns, most, isFirst) {
    const { app } = this;
    const cells = columns.map((column, at) => {
      if (!column.isTime) {
        const where = row.where || (app.state.tab === 'functions' ? KINDS[row.kind] : '');
        return make(
          'td.name',
          { title: `${row.name} ${where} (${KINDS[row.kind]})` },
          swatch(row.kind),
          make('span', {}, row.name),
          make('small', {}, where),
        );
      }
      const value = column.of(row);
      const cell = make(
        column.isChange ? `td.time.${changeOf(value)}` : 'td.time',
        {},
        app.amount(value, column.isChange),
      );
      cell.style.setProperty('--part', most[at] > 0 ? Math.abs(value) / most[at] : 0);
      return cell;
    });
    const isPicked = app.state.tab === 'functions' && row.frame === app.state.picked;
    const choose = () => {
      if (app.state.tab !== 'functions') return app.set({ query: row.name, tab: 'functions' });
      app.set({ picked: isPicked ? -1 : row.frame });
    };
    const element = make(
      'tr',
      { tabIndex: isFirst ? 0 : -1, 'aria-selected': String(isPicked), onclick: choose },
      cells,
    );
    element.addEventListener('keydown', event => {
      if (event.key === 'Enter') choose();
      const next = { ArrowDown: element.nextElementSibling, ArrowUp: element.previousElementSibling }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      next?.focus();
    });
    return element;
  }

  /** The hottest lines of a function in their order, with the source where the report has it. */
  hotLines(times, picked) {
    const { files, frames } = this.app.data;
    const all = linesOf(times, picked);
    const most = Math.max(...all.map(([, time]) => time));
    const least = all.map(([, time]) => time).sort((a, b) => b - a)[LINES - 1] ?? 0;
    const source = this.app.report.sources[files.path[frames.file[picked]]] ?? {};
    const rows = all
      .filter(([, time]) => time >= least)
      .map(([line, time]) => {
        const row = make('tr', {}, make('td.time', {}, duration(time)), make('th', { scope: 'row' }, String(line)));
        row.append(make('td', {}, make('code', {}, source[line] ?? '')));
        row.style.setProperty('--part', time / most);
        return row;
      });
    return rows.length > 0 ? [make('h3', {}, 'Hot lines'), make('table.lines', {}, make('tbody', {}, rows))] : [];
  }

  /** The lines of the picked function, its callers and callees. */
  drawDetail() {
    const { app, detail } = this;
    const { picked } = app.state;
    detail.hidden = picked < 0 || app.state.tab !== 'functions';
    if (detail.hidden) return;
    const { frames } = app.data;
    const { times } = app.sides[app.sides.length - 1];
    const { callers, callees } = neighbours(times, picked);
    const total = callers.reduce((sum, [, time]) => sum + time, 0);
    const list = (title, rows, none) => {
      const buttons = rows.slice(0, 50).map(([frame, time]) => {
        const name = frame < 0 ? '(nobody: it runs first)' : frames.name[frame];
        const button = make('button', { disabled: frame < 0, title: frame < 0 ? '' : place(app.data, frame) });
        button.append(
          make('span.time', {}, duration(time)),
          frame < 0 ? '' : swatch(frames.kind[frame]),
          make('span', {}, name),
        );
        button.addEventListener('click', () => app.set({ picked: frame }));
        button.style.setProperty('--part', total > 0 ? time / total : 0);
        return make('li', {}, button);
      });
      return make(
        'div',
        {},
        make('h3', {}, title),
        rows.length > 0 ? make('ul', {}, buttons) : make('p.none', {}, none),
      );
    };
    const own = sums(times, 1, frame => (frame === picked ? 0 : -1));
    detail.replaceChildren(
      make(
        'h2',
        { title: app.data.files.path[frames.file[picked]] },
        swatch(frames.kind[picked]),
        frames.name[picked],
        make('small', {}, place(app.data, picked) || KINDS[frames.kind[picked]]),
        make('button.close', { 'aria-label': 'Close', onclick: () => app.set({ picked: -1 }) }, '×'),
      ),
      make(
        'p',
        {},
        `self ${duration(own.self[0])} (${share(own.self[0], times.whole)}), `,
        `total ${duration(own.total[0])} (${share(own.total[0], times.whole)})`,
      ),
      ...this.hotLines(times, picked),
      make('div.sides', {}, list('Called by', callers, 'Nobody.'), list('Calls', callees, 'Nothing.')),
    );
  }
}
