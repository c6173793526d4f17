// A chunk of the default length, a minute, of a service that is alternately busy, blocked and idle.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startIngest } from '../support/ingest.mjs';
import { inOrder } from '../support/profile.mjs';
import { retryOnce } from '../support/retry.mjs';
import { runService, SERVICE } from '../support/service.mjs';

const TICK_S = 0.1;
/** The share of values that may be late under load. Each is late by at most a tick, and none is missing. */
const LATE = 0.02;

test('a chunk of a minute has a value of CPU and memory every 100 ms', t =>
  retryOnce(t, async () => {
    const ingest = await startIngest(t);
    await runService(
      t,
      `${SERVICE}
Sentry.init({ integrations: [nodeProfilingIntegration()], defaultIntegrations: false, profileSessionSampleRate: 1 });
async function main() {
  Sentry.profiler.startProfiler();
  const end = performance.now() + 61_000;
  for (let i = 0; performance.now() < end; i++) {
    // Blocked for two seconds, idle for three, and a second of short tasks.
    busy('blocked')(2000);
    await sleep(3000);
    for (let j = 0; j < 20; j++) {
      busy('task')(5);
      await sleep(40);
    }
  }
  await Sentry.close();
}
main();
`,
      { ingest, timeout: 120_000 },
    );
    const [{ profile, measurements }, ...others] = inOrder(await ingest.chunks());
    assert.ok(others.length >= 1, 'and a chunk for the rest after a minute');
    const times = profile.samples.map(({ timestamp }) => timestamp);
    const length = times.at(-1) - times[0];
    assert.ok(length > 59 && length <= 60.1, `it lasts ${length} s`);
    for (const name of ['cpu_usage', 'memory_footprint']) {
      const values = measurements[name].values.map(({ timestamp }) => timestamp);
      // The first value of the heap is read when the recording begins, between two ticks.
      const distances = values.slice(2).map((time, i) => time - values[i + 1]);
      const late = distances.filter(seconds => seconds > 1.5 * TICK_S);
      const early = distances.filter(seconds => seconds < 0.49 * TICK_S);
      t.diagnostic(
        `${name}: ${values.length} values, ${late.length} of them late, at most ${Math.max(...distances).toFixed(3)} s apart`,
      );
      assert.deepEqual(early, [], 'values that are closer than half a tick');
      assert.ok(late.length <= LATE * distances.length, `${late.length} of ${distances.length} values are late`);
      assert.ok(values.length >= 0.95 * (length / TICK_S), `${values.length} values in ${length} s`);
      assert.ok(
        values[0] - times[0] < 2 * TICK_S && times.at(-1) - values.at(-1) < 2 * TICK_S,
        "from the chunk's beginning to its end",
      );
    }
  }));
