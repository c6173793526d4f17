// Sums of time within a range.

import { KINDS } from './dom.js';

/** The index of the first value that is greater than a number, in a sorted column. */
export function after(column, number) {
  let [least, most] = [0, column.length];
  while (least < most) {
    const middle = (least + most) >> 1;
    if (column[middle] > number) most = middle;
    else least = middle + 1;
  }
  return least;
}

/** Calls back with node, start, end and index of each sample in a range. A sample lasts until the next one. */
export function eachSample(thread, from, to, each) {
  const { time, node } = thread;
  for (let at = Math.max(0, after(time, from) - 1); at + 1 < time.length && time[at] < to; at++) {
    const [begin, end] = [Math.max(time[at], from), Math.min(time[at + 1], to)];
    if (end > begin) each(node[at], begin, end, at);
  }
}

/** Self and total times of the nodes, and the time of each kind of code. */
export function timesIn(data, thread, from, to) {
  const { parent, frame } = thread;
  const self = new Float64Array(parent.length);
  let samples = 0;
  eachSample(thread, from, to, (node, begin, end) => {
    self[node] += end - begin;
    if (node > 0) samples++;
  });
  self[0] = 0;
  const total = self.slice();
  const kinds = KINDS.map(() => 0);
  for (let node = parent.length - 1; node > 0; node--) {
    total[parent[node]] += total[node];
    kinds[data.frames.kind[frame[node]]] += self[node];
  }
  return { thread, self, total, whole: total[0], kinds, samples, from, to, span: to - from };
}

/** Visits all nodes that ran, depth first. */
function walk(times, enter, leave) {
  const { parent } = times.thread;
  const path = [];
  for (let node = 1; node < parent.length; node++) {
    if (times.total[node] === 0) continue;
    while (path.length > 0 && path[path.length - 1] !== parent[node]) leave(path.pop());
    enter(node);
    path.push(node);
  }
  while (path.length > 0) leave(path.pop());
}

/** Self and total times by group: `groupOf` maps a frame to a group, or to -1. Recursion counts once. */
export function sums(times, groups, groupOf) {
  const { frame } = times.thread;
  const [self, total] = [new Float64Array(groups), new Float64Array(groups)];
  const open = new Int32Array(groups);
  walk(
    times,
    node => {
      const group = groupOf(frame[node]);
      if (group < 0) return;
      self[group] += times.self[node];
      if (open[group]++ === 0) total[group] += times.total[node];
    },
    node => {
      const group = groupOf(frame[node]);
      if (group >= 0) open[group]--;
    },
  );
  return { self, total };
}

/** The total time of all matching frames together. */
export const timeOf = (times, matches) => sums(times, 1, frame => (matches[frame] ? 0 : -1)).total[0];

/** The lines of a function with their own times, in order. */
export function linesOf({ thread, from, to }, picked) {
  const lines = new Map();
  eachSample(thread, from, to, (node, begin, end, at) => {
    const line = thread.line[at];
    if (line > 0 && thread.frame[node] === picked) lines.set(line, (lines.get(line) ?? 0) + end - begin);
  });
  return [...lines].sort((a, b) => a[0] - b[0]);
}

/** Callers and callees of a function, with the times of the calls. Recursion counts once. */
export function neighbours(times, picked) {
  const { frame, parent } = times.thread;
  const callers = new Map();
  const callees = new Map();
  const open = new Map();
  let inside = 0;
  const add = (map, key, time) => map.set(key, (map.get(key) ?? 0) + time);
  const called = node => frame[parent[node]] === picked && frame[node] !== picked;
  walk(
    times,
    node => {
      if (frame[node] === picked && inside++ === 0) add(callers, frame[parent[node]], times.total[node]);
      if (called(node)) {
        if (!open.get(frame[node])) add(callees, frame[node], times.total[node]);
        add(open, frame[node], 1);
      }
    },
    node => {
      if (frame[node] === picked) inside--;
      if (called(node)) add(open, frame[node], -1);
    },
  );
  const sorted = map => [...map].sort((a, b) => b[1] - a[1]);
  return { callers: sorted(callers), callees: sorted(callees) };
}
