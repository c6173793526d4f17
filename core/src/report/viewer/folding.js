// Folds runs of library functions into one row each, so that own code stands out.

import { DEPENDENCY, NATIVE, NODE, OWN } from './dom.js';
import { sums } from './times.js';

export const FOLDS = { libraries: 'Fold libraries', node: 'Fold Node', nothing: 'Fold nothing' };

/** The default: fold libraries, unless the program itself is a library that a few lines of own code call. */
export function usualFold(data, times) {
  const { total } = sums(times, data.frames.name.length, frame => frame);
  const own = data.frames.kind.reduce((count, kind, frame) => count + (kind === OWN && total[frame] > 0 ? 1 : 0), 0);
  return own > 2 || times.kinds[OWN] >= times.whole / 50 ? 'libraries' : 'node';
}

/**
 * The rows of a thread: `top[node]` is the node in whose row a node is shown; `parent`, `child` and `sibling` link
 * such nodes. A run starts with a function of Node or of a package. It continues with the functions that are called from
 * there, native ones included, until own code is called. Runs in `open` are not folded.
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
      // The nodes of a run form a list.
      next[last[top[node]]] = node;
      last[top[node]] = node;
      continue;
    }
    top[node] = last[node] = node;
    isRun[node] = begins[kindOf] && !isOpen[node] ? 1 : 0;
    parent[node] = top[caller];
    depth[node] = depth[top[caller]] + 1;
  }
  // From the end, so that each list is in the order of nodes.
  for (let node = count - 1; node > 0; node--) {
    if (top[node] !== node) continue;
    sibling[node] = child[parent[node]];
    child[parent[node]] = node;
  }
  return { thread, top, parent, child, sibling, depth, isRun, next };
}

/** The self time of rows: the sum of a run's functions. */
export function rowTimes(folding, times) {
  const self = new Float64Array(times.self.length);
  for (let node = 1; node < self.length; node++) self[folding.top[node]] += times.self[node];
  return self;
}

/** The distinct functions of a run. */
export function framesOfRun(folding, first) {
  const { thread, next } = folding;
  const frames = new Set();
  for (let node = first; node > 0; node = next[node]) frames.add(thread.frame[node]);
  return frames;
}
