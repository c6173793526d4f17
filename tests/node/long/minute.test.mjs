// A whole chunk as it is by default: a minute long, of a service that is busy, blocked and idle by turns.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startIngest } from '../support/ingest.mjs';
import { inOrder } from '../support/profile.mjs';
import { retryOnce } from '../support/retry.mjs';
import { runService, SERVICE } from '../support/service.mjs';

const TICK_S = 0.1;
/** How many values a machine under load may delay; each is at most a tick late then, and none is missing. */
const LATE = 0.02;

test('a chunk of a minute has a value of CPU and memory each 100 ms', t =>
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
    assert.ok(others.length >= 1, 'and what is left after a minute');
    const times = profile.samples.map(({ timestamp }) => timestamp);
    const length = times.at(-1) - times[0];
    assert.ok(length > 59 && length <= 60.1, `it lasts ${length} s`);
    for (const name of ['cpu_usage', 'memory_footprint']) {
      const values = measurements[name].values.map(({ timestamp }) => timestamp);
      // The first one of the heap is read where the recording begins, between two ticks.
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
        'from its beginning to its end',
      );
    }
  }));
