// Draws boxes on a canvas. The canvas has the size of the visible part.

import { OWN } from './dom.js';
import { describe } from './tree.js';

export const ROW = 20;
const PADDING = 5;
/** The opacity of places. */
const PLACE = 0.8;

const FONT = '12px system-ui, sans-serif';
/** Widths of texts, plain and bold. */
const LENGTHS = [new Map(), new Map()];

function lengthOf(pen, text, strong) {
  const lengths = LENGTHS[strong ? 1 : 0];
  let length = lengths.get(text);
  if (length === undefined) {
    length = pen.measureText(text).width;
    lengths.set(text, length);
  }
  return length;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text cut to the room, without characters that break lines or change the writing direction. */
function cut(pen, whole, room, strong) {
  const text = whole.replace(UNPRINTABLE, '\ufffd');
  const length = lengthOf(pen, text, strong);
  if (length <= room) return text;
  const letters = Math.floor(((room - 9) / length) * text.length);
  // Do not cut a surrogate pair.
  return letters > 0 ? `${text.slice(0, letters).replace(/[\ud800-\udbff]$/, '')}…` : '';
}

/** The colour of a change: red for more, blue for less; the larger the change, the stronger. */
function changeColor(colors, [before, after]) {
  const change = before + after > 0 ? (after - before) / Math.max(before, after) : 0;
  if (Math.abs(change) < 0.02) return colors.same;
  const strength = Math.round(20 + 80 * Math.abs(change));
  return `color-mix(in srgb, ${change > 0 ? colors.more : colors.less} ${strength}%, ${colors.same})`;
}

/**
 * `from` and `to` are the visible range, in the units of the boxes. `isHit(row)` says whether a search found a row, and
 * is null without a search. `scaled(row)` returns the comparable times of a row's sides.
 */
export function drawBoxes(pen, { data, sides, boxes, from, to, width, height, top, colors, isHit, picked, scaled }) {
  pen.clearRect(0, 0, width, height);
  pen.textBaseline = 'middle';
  const scale = width / (to - from);
  for (const box of boxes) {
    const y = box.depth * ROW - top;
    if (y < -ROW || y > height) continue;
    const { row } = box;
    const described = describe(data, sides, row);
    const left = Math.max(0, (box.left - from) * scale);
    const right = Math.min(width, (box.right - from) * scale);
    const room = right - left;
    const faded = isHit && !isHit(row);
    pen.globalAlpha = faded ? 0.28 : 1;
    pen.fillStyle = sides.length > 1 ? changeColor(colors, scaled(row)) : colors.kinds[described.kind];
    pen.fillRect(left, y, Math.max(0.5, room > 3 ? room - 1 : room), ROW - 1);
    if (picked >= 0 && row.frame === picked && !row.run) {
      pen.strokeStyle = colors.focus;
      pen.lineWidth = 1.5;
      pen.strokeRect(left + 0.75, y + 0.75, Math.max(0, room - 2.5), ROW - 2.5);
    }
    const style = { colors, faded, isDiff: sides.length > 1 };
    if (room > 22) label(pen, described, row.run, left + PADDING, y + ROW / 2, room - 2 * PADDING, style);
  }
  pen.globalAlpha = 1;
}

function label(pen, { name, place, kind }, isRun, x, y, room, { colors, faded, isDiff }) {
  const strong = kind === OWN;
  pen.font = strong ? `600 ${FONT}` : FONT;
  pen.fillStyle = strong && !isDiff ? colors.onstrong : colors.ontext;
  const shown = cut(pen, isRun ? `▸ ${name}` : name, room, strong);
  pen.fillText(shown, x, y);
  const used = lengthOf(pen, shown, strong) + 8;
  if (room - used < 30 || shown.endsWith('…')) return;
  pen.font = FONT;
  pen.globalAlpha = faded ? 0.28 : PLACE;
  pen.fillText(cut(pen, place, room - used), x + used, y);
  pen.globalAlpha = 1;
}

/** The box at a point, if any. */
export function boxAt(boxes, x, depth) {
  return boxes.find(box => box.depth === depth && x >= box.left && x < box.right) ?? null;
}

/** The box next to another one, in the direction of an arrow key. */
export function neighbour(boxes, box, key) {
  const middle = (box.left + box.right) / 2;
  const row = boxes.filter(other => other.depth === box.depth + { ArrowUp: -1, ArrowDown: 1 }[key] || 0);
  const within = other => other.left < box.right && other.right > box.left;
  switch (key) {
    case 'ArrowUp':
      return boxAt(boxes, middle, box.depth - 1) ?? row.find(within);
    case 'ArrowDown':
      return row.filter(within).reduce((a, b) => (a && a.right - a.left >= b.right - b.left ? a : b), null);
    default: {
      const same = boxes.filter(other => other.depth === box.depth);
      return same[same.indexOf(box) + (key === 'ArrowLeft' ? -1 : 1)];
    }
  }
}
