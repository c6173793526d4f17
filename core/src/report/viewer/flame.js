// The flame graph: pointer, keyboard focus and zoom.

import { AXIS, drawAxis } from './axis.js';
import { boxAt, drawBoxes, neighbour, ROW } from './chart.js';
import { clamp, duration, fit, hideTip, KINDS, make, palette, share, showTip, swatch } from './dom.js';
import { describe, framesOf } from './tree.js';

/** The narrowest box, in pixels. */
const SMALLEST = 0.7;

export class Flame {
  constructor(app) {
    this.app = app;
    this.canvas = make('canvas', { tabIndex: 0, role: 'application' });
    this.canvas.setAttribute('aria-label', 'Flame graph. Arrows move, Enter zooms, Escape goes back.');
    this.spacer = make('div');
    this.empty = make('p.empty', { hidden: true });
    this.scroll = make('div.scroll', {}, this.canvas, this.spacer);
    this.spoken = make('p.spoken', { 'aria-live': 'polite' });
    this.element = make('section.flame', { 'aria-label': 'Flame graph' }, this.scroll, this.empty, this.spoken);
    this.view = [0, 1];
    [this.boxes, this.rows] = [[], 0];
    this.hovered = null;
    this.focused = null;
    this.listen();
  }

  listen() {
    const { canvas, scroll } = this;
    scroll.addEventListener('scroll', () => this.draw());
    canvas.addEventListener('pointermove', event => this.hover(event));
    canvas.addEventListener('pointerleave', () => this.leave());
    canvas.addEventListener('wheel', event => this.wheel(event), { passive: false });
    canvas.addEventListener('pointerdown', event => this.press(event));
    canvas.addEventListener('click', event => this.click(event));
    canvas.addEventListener('blur', () => this.focusBox(null));
    new ResizeObserver(() => this.draw()).observe(scroll);
  }

  get whole() {
    return this.app.tree.root.width;
  }

  /** The visible range, in units of the boxes. */
  get range() {
    return this.view.map(part => part * this.whole);
  }

  show(zoom, still) {
    cancelAnimationFrame(this.frame);
    const [begin, from] = [performance.now(), this.view];
    if (still || matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.view = zoom;
      this.draw();
      return;
    }
    const step = now => {
      const done = Math.min(1, Math.max(0, now - begin) / 140);
      const eased = 1 - (1 - done) ** 3;
      this.view = done === 1 ? zoom : from.map((part, at) => part + (zoom[at] - part) * eased);
      this.draw();
      if (done < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  /** Starts again after rows or times have changed. */
  reset() {
    [this.hovered, this.focused] = [null, null];
    hideTip();
    this.show(this.app.state.zoom, true);
  }

  draw() {
    const { app, scroll, canvas, spacer } = this;
    if (!app.tree) return;
    const isEmpty = !(this.whole > 0);
    this.empty.hidden = !isEmpty;
    scroll.hidden = isEmpty;
    if (isEmpty) this.empty.textContent = app.whyEmpty();
    const { clientWidth: width, clientHeight: height } = scroll;
    if (isEmpty || width === 0) return;
    const [from, to] = this.range;
    this.layOut(from, to, width);
    this.element.style.setProperty('--rows', this.rows);
    spacer.style.height = `${Math.max(0, this.rows * ROW + 12 - height)}px`;
    const pen = fit(canvas, width, height);
    const [top, colors] = [scroll.scrollTop, palette()];
    const { data, sides, state, matches } = app;
    const isHit = matches && (row => framesOf(sides, row).some(frame => matches[frame]));
    const scaled = row => app.scaled(row.time);
    drawBoxes(pen, {
      data,
      sides,
      boxes: this.boxes,
      from,
      to,
      width,
      height,
      top,
      colors,
      isHit,
      picked: state.picked,
      scaled,
    });
    if (state.mode === 'time') this.drawTimes(pen, width, height, colors);
    for (const [box, line] of [
      [this.hovered, 1],
      [this.focused, 2],
    ]) {
      const same = box && this.boxes.find(other => other.depth === box.depth && other.left === box.left);
      if (!same) continue;
      const [left, right] = [same.left, same.right].map(x => clamp(((x - from) * width) / (to - from), 0, width));
      pen.strokeStyle = line === 2 ? colors.focus : colors.text;
      pen.lineWidth = line;
      pen.strokeRect(
        left + line / 2,
        same.depth * ROW - top + line / 2,
        Math.max(1, right - left - 1 - line),
        ROW - 1 - line,
      );
    }
  }

  /** The axis of the visible range, below the boxes. */
  drawTimes(pen, width, height, colors) {
    const { from } = this.app.selection;
    pen.fillStyle = colors.ground;
    pen.fillRect(0, height - AXIS, width, AXIS);
    const seen = this.range.map(time => from + time);
    drawAxis(pen, height - AXIS, width, seen, colors);
  }

  /** Lays out the boxes of the visible range, unless that was done. */
  layOut(from, to, width) {
    const [tree, key] = [this.app.tree, `${from} ${to} ${width}`];
    if (this.laidOut?.tree === tree && this.laidOut.key === key) return;
    this.laidOut = { tree, key };
    this.boxes = tree.boxes(from, to, (SMALLEST * (to - from)) / width);
    this.rows = this.boxes.reduce((most, box) => Math.max(most, box.depth + 1), 0);
  }

  at(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const [from, to] = this.range;
    const x = from + ((event.clientX - left) / width) * (to - from);
    return boxAt(this.boxes, x, Math.floor((event.clientY - top + this.scroll.scrollTop) / ROW));
  }

  hover(event) {
    if (this.panning) return;
    const box = this.at(event);
    if (box !== this.hovered) {
      this.hovered = box;
      this.draw();
    }
    this.canvas.style.cursor = box ? 'pointer' : '';
    if (box) showTip(event.clientX, event.clientY, ...this.about(box));
    else hideTip();
  }

  leave() {
    this.hovered = null;
    hideTip();
    this.draw();
  }

  /** The tooltip of a box. */
  about({ row }) {
    const { app } = this;
    const { name, place, kind } = describe(app.data, app.sides, row);
    const whole = app.sides.map(({ times }) => times.whole);
    const times = (label, values) =>
      make(
        'tr',
        {},
        make('th', {}, label),
        values.map((time, side) => [make('td', {}, duration(time)), make('td', {}, share(time, whole[side]))]),
      );
    const sides =
      app.isDiff &&
      make(
        'tr',
        {},
        make('th'),
        ['before', 'after'].map(name => make('th', { colSpan: 2 }, name)),
      );
    const rows = [sides || null, times('total', row.time)];
    if (app.state.mode !== 'callers' || row.self[0] > 0) rows.splice(1, 0, times('self', row.self));
    return [
      make('b', {}, name),
      make('span.place', {}, swatch(kind), place === KINDS[kind] ? place : `${place} · ${KINDS[kind]}`),
      make('table', {}, rows),
      row.run ? make('span.place', {}, 'Folded: the arrow, or u, unfolds it') : null,
    ].filter(Boolean);
  }

  click(event) {
    if (this.panned) return;
    const box = this.at(event);
    if (!box) return;
    const { left } = this.canvas.getBoundingClientRect();
    const [from, to] = this.range;
    const start = Math.max(0, ((box.left - from) * this.canvas.clientWidth) / (to - from));
    if (box.row.run && event.clientX - left - start < 18) this.app.unfold(box.row);
    else this.zoomTo(box);
  }

  /** Zooms into a box, or out if the box has the full width already. */
  zoomTo(box) {
    const zoom = [box.left / this.whole, Math.min(1, box.right / this.whole)];
    const isThere = zoom.every((part, at) => Math.abs(part - this.view[at]) < 1e-9);
    this.app.set({ zoom: isThere ? [0, 1] : zoom, picked: box.row.run ? this.app.state.picked : box.row.frame });
  }

  /** Zooms around a point and moves; both are fractions of the width. */
  move(factor, around, by = 0) {
    const [left, right] = this.view;
    const width = clamp((right - left) * factor, 1e-6, 1);
    const start = clamp(left + (right - left) * (around + by) - width * around, 0, 1 - width);
    this.app.set({ zoom: [start, start + width] }, true);
  }

  wheel(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.move(Math.exp(event.deltaY / 200), (event.clientX - left) / width);
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.move(1, 0, (event.deltaX || event.deltaY) / width);
    }
  }

  /** A drag moves the visible range. */
  press(event) {
    this.panned = false;
    if (event.button !== 0 || event.pointerType === 'touch') return;
    let [x, y] = [event.clientX, event.clientY];
    const move = ({ clientX, clientY }) => {
      if (!this.panning && Math.abs(clientX - x) + Math.abs(clientY - y) < 5) return;
      [this.panning, this.panned] = [true, true];
      hideTip();
      this.move(1, 0, (x - clientX) / this.canvas.clientWidth);
      this.scroll.scrollTop += y - clientY;
      [x, y] = [clientX, clientY];
    };
    const up = () => {
      this.panning = false;
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', up);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up);
  }

  focusBox(box) {
    this.focused = box;
    if (!box) {
      hideTip();
      this.draw();
      return;
    }
    const [y, { scroll }] = [box.depth * ROW, this];
    if (y < scroll.scrollTop) scroll.scrollTop = y;
    if (y + ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = y + ROW - scroll.clientHeight;
    this.draw();
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const [from, to] = this.range;
    const x = clamp(((box.left - from) / (to - from)) * width, 0, width);
    showTip(left + x, top + y - scroll.scrollTop + 2, ...this.about(box));
    const { name, place, kind } = describe(this.app.data, this.app.sides, box.row);
    const time = box.row.time.map(
      (time, side) => `${duration(time)}, ${share(time, this.app.sides[side].times.whole)}`,
    );
    this.spoken.textContent = `${name}, ${place}, ${KINDS[kind]}, ${time.join(' and ')}`;
  }

  /** Handles the keys of boxes. Returns whether it was one. */
  key(key) {
    const { focused, boxes } = this;
    if (key.startsWith('Arrow')) {
      const next = focused ? neighbour(boxes, this.sameBox(focused) ?? boxes[0], key) : boxes[0];
      if (next) this.focusBox(next);
      return true;
    }
    if (key === 'Enter' && focused) {
      this.zoomTo(focused);
      this.focusBox(this.sameBox(focused));
      return true;
    }
    if (key === 'u' && focused?.row.run) {
      this.app.unfold(focused.row);
      return true;
    }
    return false;
  }

  sameBox(box) {
    return this.boxes.find(other => other.depth === box.depth && other.left === box.left) ?? null;
  }

  /** Moves the focus to the next or the previous match. */
  nextMatch(step) {
    const { sides, matches } = this.app;
    const found = matches ? this.boxes.filter(({ row }) => framesOf(sides, row).some(frame => matches[frame])) : [];
    if (found.length === 0) return;
    const at = this.focused ? found.indexOf(this.sameBox(this.focused)) : -1;
    this.canvas.focus({ preventScroll: true });
    this.focusBox(found[(at + step + found.length) % found.length]);
  }
}
