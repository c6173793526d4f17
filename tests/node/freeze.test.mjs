// A process that is frozen (SIGSTOP, a container's freezer, a closed lid) and thawed while it is profiled.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { inOrder, isIdle } from './support/profile.mjs';
import { runService } from './support/service.mjs';
import { assertInPlace, inTheMiddle, slots, slotsOf } from './support/slots.mjs';

const FROZEN_MS = 3000;
/** A longer gap between samples must be closed by an idle sample. A busy machine may cause shorter gaps. */
const GAP_S = 0.6;

const freeze = inTheMiddle(child => {
  child.kill('SIGSTOP');
  setTimeout(() => child.kill('SIGCONT'), FROZEN_MS);
});

describe('a frozen process', { concurrency: 3 }, () => {
  for (const [name, chunkDurationMs, between] of [
    ['in the middle of its work, within a chunk', 60_000, ''],
    ['in the middle of its work, for longer than a chunk lasts', 1000, ''],
    ['while it is mostly idle', 60_000, 'await sleep(50);'],
  ]) {
    test(`frozen ${name}`, async t => {
      const ingest = await startIngest(t);
      const times = slotsOf(await runService(t, slots(chunkDurationMs, between), { ingest, meanwhile: freeze }));
      const chunks = inOrder(await ingest.chunks());
      const seen = assertInPlace(chunks, times);
      assert.ok(seen >= 60, `${seen} samples of two seconds of work`);
      for (const { profile } of chunks) {
        for (const [i, sample] of profile.samples.slice(1).entries()) {
          const before = profile.samples[i];
          const gap = sample.timestamp - before.timestamp;
          assert.ok(gap <= GAP_S || isIdle(profile, before), `a gap of ${gap} s counts for a stack`);
        }
      }
      // An idle sample may end a chunk whose time was over meanwhile.
      const ticks = chunks
        .flatMap(({ profile }) => profile.samples.filter(sample => !isIdle(profile, sample)))
        .map(({ timestamp }) => timestamp);
      const longest = Math.max(...ticks.slice(1).map((time, i) => time - ticks[i]));
      assert.ok(
        longest > (FROZEN_MS / 1000) * 0.9,
        `the longest gap lasts ${longest} s, the process was frozen for ${FROZEN_MS} ms`,
      );
    });
  }
});
