// Runs of library functions as one row, so that own code stands out.

import { DEPENDENCY, NATIVE, NODE, OWN } from './dom.js';
import { sums } from './times.js';

export const FOLDS = { libraries: 'Fold libraries', node: 'Fold Node', nothing: 'Fold nothing' };

/** What is folded at first: libraries, unless what ran is a library that a line or two of own code called. */
export function usualFold(data, times) {
  const { total } = sums(times, data.frames.name.length, frame => frame);
  const own = data.frames.kind.reduce((count, kind, frame) => count + (kind === OWN && total[frame] > 0 ? 1 : 0), 0);
  return own > 2 || times.kinds[OWN] >= times.whole / 50 ? 'libraries' : 'node';
}

/**
 * The rows of a thread: `top[node]` is the node that a node is shown as, `parent` and the lists of children are those
 * of such nodes. A run begins with a function of Node or of a package and goes on with all that are called from there,
 * native ones too, up to own code. Runs in `open` are not folded.
 */
export function fold(data, thread, level, open) {
  const { kind } = data.frames;
  const folds = { libraries: [DEPENDENCY, NODE], node: [NODE], nothing: [] }[level];
  const begins = [OWN, DEPENDENCY, NODE, NATIVE, 4].map(kind => folds.includes(kind));
  const count = thread.parent.length;
  const [top, parent, child, sibling, next, last] = Array.from({ length: 6 }, () => new Int32Array(count));
  const [depth, isRun, isOpen] = [new Int32Array(count), new Uint8Array(count), new Uint8Array(count)];
  for (let node = 1; node < count; node++) {
    const caller = thread.parent[node];
    const kindOf = kind[thread.frame[node]];
    const inRun = begins[kindOf] || (kindOf === NATIVE && folds.length > 0);
    isOpen[node] = inRun && (isOpen[caller] || (!isRun[top[caller]] && open.has(node))) ? 1 : 0;
    if (inRun && isRun[top[caller]]) {
      top[node] = top[caller];
      // The nodes of a run are a list.
      next[last[top[node]]] = node;
      last[top[node]] = node;
      continue;
    }
    top[node] = last[node] = node;
    isRun[node] = begins[kindOf] && !isOpen[node] ? 1 : 0;
    parent[node] = top[caller];
    depth[node] = depth[top[caller]] + 1;
  }
  // From the end, so that lists are in the order of nodes.
  for (let node = count - 1; node > 0; node--) {
    if (top[node] !== node) continue;
    sibling[node] = child[parent[node]];
    child[parent[node]] = node;
  }
  return { thread, top, parent, child, sibling, depth, isRun, next };
}

/** The time of rows themselves: that of a whole run. */
export function rowTimes(folding, times) {
  const self = new Float64Array(times.self.length);
  for (let node = 1; node < self.length; node++) self[folding.top[node]] += times.self[node];
  return self;
}

/** The functions in a run, each once. */
export function framesOfRun(folding, first) {
  const { thread, next } = folding;
  const frames = new Set();
  for (let node = first; node > 0; node = next[node]) frames.add(thread.frame[node]);
  return frames;
}
