// The wall clock is set while a process is profiled: by hand, by a time server, or after a virtual machine moved.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { preloaded } from './support/preload.mjs';
import { runService } from './support/service.mjs';
import { assertInPlace, inTheMiddle, slots, slotsOf } from './support/slots.mjs';

/** The clocks are compared every 100 ms. Until then samples have times of the old clock. */
const SLOTS_TO_NOTICE = 4;

describe('a wall clock that is set', { concurrency: 2 }, () => {
  for (const [name, seconds] of [
    ['back by an hour', -3600],
    ['forward by an hour', 3600],
  ]) {
    test(name, async t => {
      const ingest = await startIngest(t);
      const times = slotsOf(
        await runService(t, slots(60_000), {
          ingest,
          env: { LD_PRELOAD: preloaded(t, 'step-clock.c').library, CLOCK_STEP_S: String(seconds) },
          meanwhile: inTheMiddle(child => child.kill('SIGUSR2')),
        }),
      );
      // The slot in which the clock was set, or the next one.
      const ends = times.map(([, to]) => to);
      const step = ends.findIndex((to, i) => i > 0 && Math.abs(to - ends[i - 1]) > 1000);
      assert.ok(step > 10, 'the clock was set in the middle of the run');
      const chunks = await ingest.chunks();
      assert.ok(chunks.length >= 2, 'no chunk spans the step');
      const seen = assertInPlace(chunks, times, slot => slot >= step && slot < step + SLOTS_TO_NOTICE);
      assert.ok(seen >= 50, `${seen} samples`);
    });
  }
});
