// The time line: kinds of code, spans, CPU and heap over time. A range that is selected in it applies to all views.

import { AXIS, drawAxis } from './axis.js';
import { bytes, clamp, duration, fit, hideTip, KINDS, make, palette, share, showTip, swatch } from './dom.js';
import { after, eachSample } from './times.js';

const BAR = 3;
const LANES = { kinds: 54, span: 14, label: 12, curve: 20 };
const MOST_SPANS = 4;

export class Timeline {
  constructor(app) {
    this.app = app;
    this.canvas = make('canvas', { tabIndex: 0, role: 'application' });
    this.canvas.setAttribute(
      'aria-label',
      'Time line. Drag to select a range; left and right move it, with shift they move its end, Escape clears it.',
    );
    this.element = make('section.timeline', { 'aria-label': 'Time line' }, this.canvas);
    this.canvas.addEventListener('pointerdown', event => this.press(event));
    this.canvas.addEventListener('pointermove', event => this.hover(event));
    this.canvas.addEventListener('pointerleave', hideTip);
    this.canvas.addEventListener('dblclick', () => app.set({ from: 0, to: 0, zoom: [0, 1] }));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Sums the kinds per column and places the spans, once per thread and width. */
  measure(thread, duration, width) {
    const columns = Math.max(1, Math.floor(width / BAR));
    const kinds = KINDS.map(() => new Float64Array(columns));
    const { kind } = this.app.data.frames;
    eachSample(thread, 0, duration, (node, begin, end) => {
      if (node === 0) return;
      const lane = kinds[kind[thread.frame[node]]];
      const [first, last] = [(begin / duration) * columns, (end / duration) * columns];
      for (let at = Math.floor(first); at < Math.min(columns, last); at++) {
        lane[at] += Math.min(last, at + 1) - Math.max(first, at);
      }
    });
    // Spans that overlap go into rows below each other.
    const ends = [];
    const spans = thread.spans.map(span => {
      let row = ends.findIndex(end => end <= span.start);
      if (row < 0) row = ends.length;
      ends[row] = span.end;
      return { ...span, row };
    });
    return { columns, kinds, spans, spanRows: Math.min(MOST_SPANS, ends.length) };
  }

  /** The top and the height of each lane. */
  lanes(thread) {
    const lanes = { kinds: [0, LANES.kinds] };
    let y = LANES.kinds;
    const add = (name, height, is) => {
      if (is) lanes[name] = [(y += 4), height];
      if (is) y += height;
    };
    add('spans', this.measured.spanRows * LANES.span, this.measured.spanRows > 0);
    add('cpu', LANES.label + LANES.curve, thread.cpu.time.length > 1);
    add('heap', LANES.label + LANES.curve, thread.heap.time.length > 1);
    lanes.axis = [y, AXIS];
    return lanes;
  }

  draw() {
    const { app, canvas, element } = this;
    const { thread, report } = app;
    const width = element.clientWidth;
    if (!thread || width === 0) return;
    if (this.thread !== thread || this.width !== width) this.measured = this.measure(thread, report.duration, width);
    [this.thread, this.width] = [thread, width];
    const lanes = this.lanes(thread);
    const height = lanes.axis[0] + lanes.axis[1];
    const pen = fit(canvas, width, height);
    const colors = palette();
    const { columns, kinds, spans } = this.measured;
    const step = width / columns;
    for (let at = 0; at < columns; at++) {
      let y = LANES.kinds;
      const left = Math.round(at * step);
      kinds.forEach((lane, kind) => {
        const bar = lane[at] * (LANES.kinds - 4);
        pen.fillStyle = colors.kinds[kind];
        pen.fillRect(left, y - bar, Math.round((at + 1) * step) - left, bar);
        y -= bar;
      });
    }
    const x = time => (time / report.duration) * width;
    pen.font = '11px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    for (const { name, start, end, row } of spans) {
      if (row >= MOST_SPANS) continue;
      const [left, right, y] = [x(start), x(end), lanes.spans[0] + row * LANES.span];
      pen.fillStyle = colors.span;
      pen.fillRect(left, y, Math.max(1, right - left - 1), LANES.span - 2);
      const letters = Math.floor((right - left - 8) / 6.5);
      pen.fillStyle = colors.ontext;
      if (letters > 2) pen.fillText(name.length > letters ? `${name.slice(0, letters)}…` : name, left + 4, y + 6);
    }
    if (lanes.cpu)
      this.curve(
        pen,
        lanes.cpu,
        thread.cpu,
        100,
        x,
        colors.cpu,
        colors,
        most => `CPU, of all cores: at most ${share(most, 100)}`,
      );
    if (lanes.heap)
      this.curve(pen, lanes.heap, thread.heap, 0, x, colors.heap, colors, most => `Heap: at most ${bytes(most)}`);
    drawAxis(pen, lanes.axis[0], width, [0, report.duration], colors);
    this.drawSelection(pen, height, width, x, colors);
  }

  curve(pen, [top, height], { time, value }, least, x, color, colors, text) {
    const most = value.reduce((a, b) => Math.max(a, b), 0);
    const scale = LANES.curve / Math.max(least, most, 1);
    pen.strokeStyle = pen.fillStyle = color;
    pen.lineWidth = 1.25;
    pen.beginPath();
    time.forEach((at, i) => pen.lineTo(x(at), top + height - value[i] * scale));
    pen.stroke();
    pen.lineTo(x(time[time.length - 1]), top + height);
    pen.lineTo(x(time[0]), top + height);
    pen.globalAlpha = 0.12;
    pen.fill();
    pen.globalAlpha = 1;
    pen.fillStyle = colors.muted;
    pen.fillText(text(most), 0, top + 6);
  }

  drawSelection(pen, height, width, x, colors) {
    const { from, to } = this.app.selection;
    if (!this.app.isSelected) return;
    pen.fillStyle = colors.ground;
    pen.globalAlpha = 0.66;
    pen.fillRect(0, 0, x(from), height);
    pen.fillRect(x(to), 0, width - x(to), height);
    pen.globalAlpha = 1;
    pen.fillStyle = colors.focus;
    pen.fillRect(x(from), 0, 1.5, height);
    pen.fillRect(x(to) - 1.5, 0, 1.5, height);
  }

  timeAt(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    return clamp((event.clientX - left) / width, 0, 1) * this.app.report.duration;
  }

  press(event) {
    if (event.button !== 0) return;
    const [begin, x] = [this.timeAt(event), event.clientX];
    const move = event => {
      if (Math.abs(event.clientX - x) < 4) return;
      const [from, to] = [begin, this.timeAt(event)].sort((a, b) => a - b);
      this.app.set({ from, to, zoom: [0, 1] });
    };
    const up = event => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', up);
      const span = Math.abs(event.clientX - x) < 4 ? this.spanAt(event) : null;
      if (span) this.app.set({ from: span.start, to: span.end, zoom: [0, 1] });
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up);
  }

  spanAt(event) {
    const [lane, time] = [this.lanes(this.thread).spans, this.timeAt(event)];
    const row = lane && Math.floor((event.clientY - this.canvas.getBoundingClientRect().top - lane[0]) / LANES.span);
    return this.measured.spans.find(span => span.row === row && span.start <= time && span.end > time);
  }

  /** Shows what ran and what was measured at the pointer. */
  hover(event) {
    const { thread, data } = this.app;
    if (event.buttons || !this.measured) return;
    const time = this.timeAt(event);
    const lines = [make('b', {}, duration(time))];
    const { columns, kinds } = this.measured;
    const column = Math.min(columns - 1, Math.floor((time / this.app.report.duration) * columns));
    kinds.forEach((lane, kind) => {
      if (lane[column] > 0.005) lines.push(make('span', {}, swatch(kind), `${KINDS[kind]} ${share(lane[column], 1)}`));
    });
    if (lines.length === 1) lines.push(make('span', {}, 'idle'));
    const at = after(thread.time, time) - 1;
    const frame = at >= 0 ? thread.frame[thread.node[at]] : -1;
    if (frame >= 0) lines.push(make('span.place', {}, data.frames.name[frame]));
    for (const [name, readings, text] of [
      ['CPU', thread.cpu, value => share(value, 100)],
      ['heap', thread.heap, bytes],
    ]) {
      const at = after(readings.time, time) - 1;
      if (at >= 0) lines.push(make('span', {}, `${name} ${text(readings.value[at])}`));
    }
    const span = this.spanAt(event);
    if (span) lines.push(make('span', {}, `${span.name}, ${duration(span.end - span.start)}`));
    showTip(event.clientX, event.clientY, ...lines);
  }

  /** Handles the keys that move the selection. Returns whether it was one. */
  key(key, shift) {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!direction) return false;
    const { duration } = this.app.report;
    const [{ from, to }, step] = [this.app.selection, (direction * duration) / 50];
    if (!this.app.isSelected) this.app.set({ from: 0, to: duration / 10, zoom: [0, 1] });
    else if (shift) this.app.set({ from, to: clamp(to + step, from + duration / 1000, duration), zoom: [0, 1] });
    else {
      const start = clamp(from + step, 0, duration - (to - from));
      this.app.set({ from: start, to: start + to - from, zoom: [0, 1] });
    }
    return true;
  }
}
