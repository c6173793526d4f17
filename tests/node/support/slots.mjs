// A service that reports when it did what, so that a test can check the time of every sample.

import assert from 'node:assert/strict';
import { stackOf } from './profile.mjs';
import { SERVICE } from './service.mjs';

const SLOTS = 40;
export const TOLERANCE_S = 0.01;

/**
 * A service that works in slots of 50 ms, each in its own function, and prints the times of all slots in Unix seconds.
 * In the middle it prints `now`; after each slot it runs `between`.
 */
export const slots = (chunkDurationMs, between = '') => `${SERVICE}
Sentry.init({
  integrations: [nodeProfilingIntegration({ chunkDurationMs: ${chunkDurationMs} })],
  defaultIntegrations: false,
  profileSessionSampleRate: 1,
});
const now = () => {
  // When it changes, because Date.now() has no fractions.
  const last = Date.now();
  let time;
  while ((time = Date.now()) === last);
  return time / 1000;
};
async function main() {
  Sentry.profiler.startProfiler();
  const slots = [];
  for (let i = 0; i < ${SLOTS}; i++) {
    const work = busy('slot' + i);
    const from = now();
    work(50);
    slots.push([from, now()]);
    if (i === 10) {
      console.log('now');
    }
    ${between}
  }
  await Sentry.close();
  console.log('slots', JSON.stringify(slots));
}
main();
`;

/** `[from, to]` of each slot. */
export const slotsOf = ({ stdout }) => JSON.parse(/slots (.*)/.exec(stdout)[1]);

/** Calls `act` with the service's process 200 ms after it printed `now`. */
export const inTheMiddle = act => async (child, lines) => {
  for await (const line of lines) {
    if (line === 'now') {
      setTimeout(() => act(child), 200);
    }
  }
};

/** Asserts that every sample of a slot that is not `ignored` has a time in that slot. Returns how many there are. */
export function assertInPlace(chunks, slots, ignored = () => false) {
  let seen = 0;
  for (const { profile } of chunks) {
    for (const sample of profile.samples) {
      const names = stackOf(profile, sample).map(frame => /^slot(\d+)$/.exec(frame.function ?? '')?.[1]);
      const slot = names.find(Boolean);
      if (slot === undefined || ignored(Number(slot))) {
        continue;
      }
      const [from, to] = slots[slot];
      const { timestamp } = sample;
      assert.ok(
        timestamp >= from - TOLERANCE_S && timestamp <= to + TOLERANCE_S,
        `a sample of slot ${slot}, from ${from} to ${to}, has the time ${timestamp}`,
      );
      seen += 1;
    }
  }
  return seen;
}
