// Rows of the flame graph: merged calls of one function from one caller. They are created when they become visible.

import { count, DEPENDENCY, KINDS } from './dom.js';
import { eachSample } from './times.js';
import { framesOfRun } from './folding.js';
import { place } from './data.js';

/** A row. Its nodes and times are lists per side: a diff has two sides. */
class Row {
  constructor(key, frame, run, sides) {
    Object.assign(this, { key, frame, run, width: 0, children: null });
    this.nodes = sides.map(() => []);
    this.times = sides.map(() => []);
    this.time = sides.map(() => 0);
    this.self = sides.map(() => 0);
  }

  add(side, node, time, self) {
    this.nodes[side].push(node);
    this.times[side].push(time);
    this.time[side] += time;
    this.self[side] += self;
  }
}

/** Identifies a row among its siblings: by its function, or by the package in which a run starts. */
function keyOf(data, folding, node, isDiff) {
  const frame = folding.thread.frame[node];
  if (folding.isRun[node]) return -1 - data.frames.package[frame];
  return isDiff ? data.frames.alike[frame] : frame;
}

/**
 * A side has `times`, `folding`, the `self` times of rows and a `scale`. The width of a row is its time multiplied by
 * the scale, in a diff the mean of both sides. With `callers` the children of a row are its callers.
 */
export class Tree {
  constructor(data, sides, callers) {
    Object.assign(this, { data, sides, callers });
    this.root = new Row(null, -1, false, sides);
    sides.forEach(({ times, self }, side) => {
      if (!callers) return this.root.add(side, 0, times.whole, 0);
      for (let node = 1; node < self.length; node++) {
        if (self[node] > 0) this.root.add(side, node, self[node], 0);
      }
    });
    this.root.width = this.widthOf(this.root);
  }

  widthOf(row) {
    return row.time.reduce((sum, time, side) => sum + time * this.sides[side].scale, 0) / this.sides.length;
  }

  /** Widest first. */
  childrenOf(row) {
    if (row.children) return row.children;
    const rows = new Map();
    const add = (side, node, time, self) => {
      const { folding } = this.sides[side];
      const key = keyOf(this.data, folding, node, this.sides.length > 1);
      let child = rows.get(key);
      if (!child) {
        child = new Row(key, folding.thread.frame[node], folding.isRun[node] > 0, this.sides);
        rows.set(key, child);
      }
      child.add(side, node, time, self);
    };
    this.sides.forEach(({ times, folding, self }, side) => {
      row.nodes[side].forEach((node, at) => {
        const time = row.times[side][at];
        if (this.callers) {
          const caller = row === this.root ? node : folding.parent[node];
          if (caller > 0) add(side, caller, time, row === this.root ? time : 0);
          return;
        }
        for (let child = folding.child[node]; child > 0; child = folding.sibling[child]) {
          if (times.total[child] > 0) add(side, child, times.total[child], self[child]);
        }
      });
    });
    row.children = [...rows.values()];
    for (const child of row.children) child.width = this.widthOf(child);
    row.children.sort((a, b) => b.width - a.width);
    return row.children;
  }

  /** The boxes of a range that are at least as wide as `least`. */
  boxes(from, to, least) {
    const boxes = [];
    const put = (row, left, depth) => {
      for (const child of this.childrenOf(row)) {
        const right = left + child.width;
        if (child.width < least || left >= to) break;
        if (right > from) {
          boxes.push({ left, right, depth, row: child });
          put(child, left, depth + 1);
        }
        left = right;
      }
    };
    put(this.root, 0, 0);
    return boxes;
  }
}

/** The rows in the order in which they ran, from `start` to `end`. */
export class Ordered {
  constructor(data, side, start, end) {
    Object.assign(this, { data, sides: [side], start });
    this.root = { width: end - start };
    // Descriptions by node.
    this.known = new Map();
  }

  boxes(from, to, least) {
    const { folding } = this.sides[0];
    const [boxes, open] = [[], []];
    let last = 0;
    const close = depth => {
      while (open.length > depth) {
        const { node, left, self } = open.pop();
        const row = new Row(node, folding.thread.frame[node], folding.isRun[node] > 0, this.sides);
        row.add(0, node, last - left, self);
        if (!this.known.has(node)) {
          this.known.set(node, { described: describe(this.data, this.sides, row), frames: row.frames });
        }
        Object.assign(row, this.known.get(node));
        boxes.push({ left: left - this.start, right: last - this.start, depth: open.length, row });
      }
    };
    const put = (node, begin, end) => {
      if (begin > last) close(0);
      const path = [];
      let top = folding.top[node];
      for (; top > 0 && open[folding.depth[top] - 1]?.node !== top; top = folding.parent[top]) path.push(top);
      close(folding.depth[top]);
      for (const node of path.reverse()) open.push({ node, left: begin, self: 0 });
      if (open.length > 0) open[open.length - 1].self += end - begin;
      last = end;
    };
    // Where several samples share a pixel, the longest one is drawn.
    let longest = null;
    eachSample(folding.thread, this.start + from, this.start + to, (node, begin, end) => {
      if (longest && end - longest.begin <= 2 * least) {
        if (end - begin > longest.time) Object.assign(longest, { node, time: end - begin });
        longest.end = end;
        return;
      }
      if (longest) put(longest.node, longest.begin, longest.end);
      longest = { node, begin, end, time: end - begin };
    });
    if (longest) put(longest.node, longest.begin, longest.end);
    close(0);
    return boxes.sort((a, b) => a.depth - b.depth || a.left - b.left);
  }
}

/** The functions of a row. */
export function framesOf(sides, row) {
  if (!row.run) return [row.frame];
  row.frames ??= [
    ...new Set(row.nodes.flatMap((nodes, side) => nodes.flatMap(node => [...framesOfRun(sides[side].folding, node)]))),
  ];
  return row.frames;
}

/** Name, place and kind of a row. */
export function describe(data, sides, row) {
  row.described ??= describeNew(data, sides, row);
  return row.described;
}

function describeNew(data, sides, row) {
  const { frames, packages } = data;
  const all = framesOf(sides, row);
  if (all.length === 1) {
    const [frame] = all;
    const kind = frames.kind[frame];
    return { name: frames.name[frame], place: place(data, frame) || KINDS[kind], kind };
  }
  const names = [...new Set(all.map(frame => packages[frames.package[frame]]).filter(name => name !== ''))];
  const more = names.length > 4 ? ` +${names.length - 3}` : '';
  const name = (more ? names.slice(0, 3) : names).join(', ') + more || KINDS[frames.kind[row.frame]];
  const kind = all.some(frame => frames.kind[frame] === DEPENDENCY) ? DEPENDENCY : frames.kind[row.frame];
  return { name, place: count(all.length, 'function'), kind };
}
