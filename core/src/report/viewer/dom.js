// Helpers to create elements and to format numbers.

/** Creates an element from `tag.class`, its properties and its children. Strings become text, never markup. */
export function make(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  const element = document.createElement(tag);
  element.className = classes.join(' ');
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith('aria')) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

export const KINDS = ['own code', 'dependency', 'Node', 'native', 'GC'];
export const [OWN, DEPENDENCY, NODE, NATIVE, COLLECTOR] = KINDS.keys();

/** A mark in the colour and shape of a kind. */
export const swatch = kind => make(`i.swatch.k${kind}`, { 'aria-hidden': 'true' });

// Creating one takes much longer than using it.
const FORMATS = [0, 1, 2].map(count => {
  return new Intl.NumberFormat('en', { maximumFractionDigits: count, minimumFractionDigits: count });
});
const digits = (number, count) => FORMATS[count].format(number);

/** Microseconds as text with three or four digits and a unit. */
export function duration(us) {
  if (us < 0) return `−${duration(-us)}`;
  if (us >= 100e6) return `${digits(us / 1e6, 0)} s`;
  if (us >= 1e6) return `${digits(us / 1e6, 2)} s`;
  if (us >= 100e3) return `${digits(us / 1e3, 0)} ms`;
  if (us >= 1e3) return `${digits(us / 1e3, 1)} ms`;
  return `${digits(us, 0)} µs`;
}

export function share(part, whole) {
  const percent = whole > 0 ? (100 * part) / whole : 0;
  return `${digits(percent, percent >= 99.95 || percent === 0 ? 0 : 1)} %`;
}

export function bytes(count) {
  const unit = count >= 2 ** 30 ? 3 : count >= 2 ** 20 ? 2 : 1;
  const number = count / 2 ** (10 * unit);
  return `${digits(number, number < 10 ? 1 : 0)} ${['', 'kB', 'MB', 'GB'][unit]}`;
}

export const count = (number, one, many = `${one}s`) => `${digits(number, 0)} ${number === 1 ? one : many}`;

export const clamp = (number, least, most) => Math.max(least, Math.min(most, number));

/** Sizes a canvas for the screen's resolution. Returns its context, which draws in CSS pixels. */
export function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

/** The colours of the style sheet, for canvases. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const color = name => style.getPropertyValue(`--${name}`).trim();
  const names = 'text muted line ground focus ontext onstrong more less same cpu heap span'.split(' ');
  return {
    kinds: KINDS.map((_, kind) => color(`k${kind}`)),
    ...Object.fromEntries(names.map(name => [name, color(name)])),
  };
}

let tip;
/** Shows a tooltip next to a point, within the window. */
export function showTip(x, y, ...children) {
  tip ??= document.body.appendChild(make('div.tip', { role: 'tooltip' }));
  tip.replaceChildren(...children);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${clamp(x + 14, 4, Math.max(4, innerWidth - width - 4))}px`;
  tip.style.top = `${y + 20 + height > innerHeight ? Math.max(4, y - height - 10) : y + 20}px`;
}
export function hideTip() {
  if (tip) tip.hidden = true;
}
