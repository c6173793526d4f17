// The time axis.

import { clamp } from './dom.js';

/** Its height in pixels. */
export const AXIS = 18;

/** A round time as text. */
function short(us) {
  const [number, unit] = us >= 1e6 ? [us / 1e6, 's'] : us >= 1e3 ? [us / 1e3, 'ms'] : [us, 'µs'];
  return us === 0 ? '0' : `${Number(number.toPrecision(6))} ${unit}`;
}

export function drawAxis(pen, top, width, [from, to], colors) {
  // A step of 1, 2 or 5 that leaves room for the labels.
  const least = ((to - from) * 90) / width;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(step => step >= least);
  pen.font = '11px system-ui, sans-serif';
  pen.textBaseline = 'middle';
  pen.fillStyle = colors.muted;
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    const x = Math.round(((time - from) * width) / (to - from || 1));
    pen.fillRect(x, top, 1, 4);
    const text = short(time);
    pen.fillText(text, clamp(x - 8, 3, width - pen.measureText(text).width), top + 11);
  }
}
