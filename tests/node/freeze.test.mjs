// A process that is frozen (SIGSTOP, a container's freezer, a closed lid) and thawed while it is profiled.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { inOrder, isIdle, stackOf } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

const FROZEN_MS = 3000;
const TOLERANCE_S = 0.01;
/** A stretch without samples that is longer must be closed by an idle sample; shorter ones a busy machine can make. */
const GAP_S = 0.6;

/** A service that works in slots of 50 ms, each in a function of its own, and says when each was, Unix time in seconds. */
const slots = (chunkDurationMs, between) => `${SERVICE}
Sentry.init({
  integrations: [nodeProfilingIntegration({ chunkDurationMs: ${chunkDurationMs} })],
  defaultIntegrations: false,
  profileSessionSampleRate: 1,
});
const now = () => {
  // At an edge, because it has no fractions.
  const last = Date.now();
  let time;
  while ((time = Date.now()) === last);
  return time / 1000;
};
async function main() {
  Sentry.profiler.startProfiler();
  const slots = [];
  for (let i = 0; i < 40; i++) {
    const work = busy('slot' + i);
    const from = now();
    work(50);
    slots.push([from, now()]);
    if (i === 10) {
      console.log('freeze me');
    }
    ${between}
  }
  await Sentry.close();
  console.log('slots', JSON.stringify(slots));
}
main();
`;

async function freeze(child, lines) {
  for await (const line of lines) {
    if (line === 'freeze me') {
      await sleep(200);
      child.kill('SIGSTOP');
      await sleep(FROZEN_MS);
      child.kill('SIGCONT');
    }
  }
}

describe('a frozen process', { concurrency: 2 }, () => {
  for (const [name, chunkDurationMs, between] of [
    ['in the middle of its work, within a chunk', 60_000, ''],
    ['in the middle of its work, for longer than a chunk lasts', 1000, ''],
    ['while it is mostly idle', 60_000, 'await sleep(50);'],
  ]) {
    test(`frozen ${name}`, async t => {
      const ingest = await startIngest(t);
      const { stdout } = await runService(t, slots(chunkDurationMs, between), { ingest, meanwhile: freeze });
      const times = JSON.parse(/slots (.*)/.exec(stdout)[1]);
      const chunks = inOrder(await ingest.chunks());
      assert.ok(chunks.length >= 1);
      let seen = 0;
      for (const { profile } of chunks) {
        for (const [i, sample] of profile.samples.entries()) {
          const slot = stackOf(profile, sample)
            .map(frame => /^slot(\d+)$/.exec(frame.function ?? '')?.[1])
            .find(Boolean);
          if (slot !== undefined) {
            const [from, to] = times[slot];
            const { timestamp } = sample;
            assert.ok(
              timestamp >= from - TOLERANCE_S && timestamp <= to + TOLERANCE_S,
              `a sample of slot ${slot}, from ${from} to ${to}, is said to be of ${timestamp}`,
            );
            seen += 1;
          }
          const before = profile.samples[i - 1];
          if (before && sample.timestamp - before.timestamp > GAP_S) {
            assert.ok(isIdle(profile, before), `a gap of ${sample.timestamp - before.timestamp} s is billed to a stack`);
          }
        }
      }
      assert.ok(seen >= 60, `${seen} samples of two seconds of work`);
      const all = chunks.flatMap(({ profile }) => profile.samples.map(({ timestamp }) => timestamp));
      const longest = Math.max(...all.slice(1).map((time, i) => time - all[i]));
      assert.ok(longest > (FROZEN_MS / 1000) * 0.9, `the longest gap lasts ${longest} s, the process was frozen for ${FROZEN_MS} ms`);
    });
  }
});
