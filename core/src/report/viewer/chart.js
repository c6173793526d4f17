// Draws boxes on a canvas that is as large as what is seen of them.

import { OWN } from './dom.js';
import { describe } from './tree.js';

export const ROW = 20;
const PADDING = 5;
/** How much of the text's colour a place has. */
const PLACE = 0.8;

const FONT = '12px system-ui, sans-serif';
/** What texts measure, plain and strong. */
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

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** As much of a text as has room, without what would change lines or directions. */
function cut(pen, whole, room, strong) {
  const text = whole.replace(UNPRINTABLE, '\ufffd');
  const length = lengthOf(pen, text, strong);
  if (length <= room) return text;
  const letters = Math.floor(((room - 9) / length) * text.length);
  // Not between the halves of a character.
  return letters > 0 ? `${text.slice(0, letters).replace(/[\ud800-\udbff]$/, '')}…` : '';
}

/** The colour of a change: red for more, blue for less, as strong as it is large. */
function changeColor(colors, [before, after]) {
  const change = before + after > 0 ? (after - before) / Math.max(before, after) : 0;
  if (Math.abs(change) < 0.02) return colors.same;
  const strength = Math.round(20 + 80 * Math.abs(change));
  return `color-mix(in srgb, ${change > 0 ? colors.more : colors.less} ${strength}%, ${colors.same})`;
}

/**
 * `boxes` in units that `[from, to]` shows in the whole width; `isHit(row)` says what a search found, or is null;
 * `scaled(row)` are the times of a row's sides that can be compared.
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

/** The box next to another: in its row, or where its caller and what it calls are. */
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
