// Whether a service's memory grows.

import assert from 'node:assert/strict';

const MIB = 2 ** 20;
/** V8's heap and the allocator's arenas vary by this much. */
const BREATH_MIB = 6;

/** `rss()` is the resident memory after garbage collection. Needs `--expose-gc`. */
export const RSS = `
const rss = () => {
  gc();
  gc();
  return process.memoryUsage.rss();
};
`;

/** Fails if memory in the second half of the readings is above the end of the first half. */
export function assertFlat(t, readings) {
  const mib = readings.map(bytes => bytes / MIB);
  t.diagnostic(`RSS in MiB: ${mib.map(value => value.toFixed(1)).join(' ')}`);
  const half = mib.length >> 1;
  const before = Math.max(...mib.slice(half - 2, half));
  const after = Math.min(...mib.slice(-2));
  assert.ok(after <= Math.max(1.05 * before, before + BREATH_MIB), `RSS grows from ${before} to ${after} MiB`);
}
