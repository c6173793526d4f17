// The CPU and memory measurements in chunks.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { inOrder } from './support/profile.mjs';
import { retryOnce } from './support/retry.mjs';
import { runService, SERVICE } from './support/service.mjs';

/** A service that records `work`. `cpu()` returns the seconds of CPU that the kernel has counted for this process. */
const recording = work => `${SERVICE}
const fs = require('node:fs');
const os = require('node:os');
const TICKS_PER_SECOND = 100;
const cpu = () => {
  // After the program's name, which may hold anything.
  const fields = fs.readFileSync('/proc/self/stat', 'utf8').replace(/^.*\\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};
const cores = os.availableParallelism?.() ?? os.cpus().length;
const phases = {};
const phase = async (name, work) => {
  const [from, used] = [Date.now() / 1000, cpu()];
  await work();
  const to = Date.now() / 1000;
  phases[name] = { from, to, percent: ((cpu() - used) / (to - from) / cores) * 100 };
};
Sentry.init({ integrations: [nodeProfilingIntegration()], defaultIntegrations: false, profileSessionSampleRate: 1 });
async function main() {
  Sentry.profiler.startProfiler();
  ${work}
  await Sentry.close();
  console.log(JSON.stringify(phases));
}
main();
`;

/** The values between `from` and `to`, without the first and last tick, which extend beyond. */
function valuesIn(measurement, { from, to }) {
  const values = measurement.values.filter(({ timestamp }) => timestamp > from + 0.15 && timestamp < to);
  return values.map(({ value }) => value);
}

const mean = values => values.reduce((a, b) => a + b, 0) / values.length;

describe('measurements', () => {
  test('cpu_usage is what the kernel says, busy or idle', t =>
    retryOnce(t, async () => {
      const ingest = await startIngest(t);
      const work = `
  await phase('busy', () => busy('work')(2000));
  await phase('idle', () => sleep(2000));
`;
      const { stdout } = await runService(t, recording(work), { ingest });
      const phases = JSON.parse(stdout);
      const [{ measurements }] = await ingest.chunks();
      assert.equal(measurements.cpu_usage.unit, 'percent');
      const [busy, idle] = ['busy', 'idle'].map(name => mean(valuesIn(measurements.cpu_usage, phases[name])));
      t.diagnostic(
        `busy ${busy.toFixed(1)} %, the kernel says ${phases.busy.percent.toFixed(1)} %; idle ${idle.toFixed(1)} %`,
      );
      assert.ok(Math.abs(busy - phases.busy.percent) <= 15, `${busy} %, the kernel says ${phases.busy.percent} %`);
      assert.ok(idle <= 5, `${idle} % while idle`);
      assert.ok(measurements.cpu_usage.values.every(({ value }) => value >= 0 && value <= 100));
    }));

  test('memory_footprint follows the heap', async t => {
    const ingest = await startIngest(t);
    const work = `
  await phase('small', () => busy('work')(600));
  let ballast = Array.from({ length: 200 }, () => new Array(131_072).fill(1.5));
  await phase('large', () => busy('work')(600));
  console.error(ballast.length);
  ballast = undefined;
  gc();
  await phase('freed', () => busy('work')(600));
`;
    const { stdout } = await runService(t, recording(work), { ingest, flags: ['--expose-gc'] });
    const phases = JSON.parse(stdout);
    const [{ measurements }] = await ingest.chunks();
    assert.equal(measurements.memory_footprint.unit, 'byte');
    const [small, large, freed] = ['small', 'large', 'freed'].map(
      name => valuesIn(measurements.memory_footprint, phases[name]).at(-1) / 2 ** 20,
    );
    t.diagnostic(
      `${small.toFixed(0)} MiB, with 200 MiB more ${large.toFixed(0)} MiB, without them ${freed.toFixed(0)} MiB`,
    );
    assert.ok(Math.abs(large - small - 200) < 20, `from ${small} to ${large} MiB`);
    assert.ok(Math.abs(freed - small) < 20, `from ${small} over ${large} to ${freed} MiB`);
  });

  test('in a blocked event loop, in an idle one and in between there is a value every 100 ms', t =>
    retryOnce(t, async () => {
      const ingest = await startIngest(t);
      const work =
        "busy('work')(1500); await sleep(1500); for (let i = 0; i < 15; i++) { busy('work')(50); await sleep(50); }";
      await runService(t, recording(work), { ingest });
      const [{ measurements }] = inOrder(await ingest.chunks());
      for (const [name, { values }] of Object.entries(measurements)) {
        const times = values.map(({ timestamp }) => timestamp);
        assert.ok(times.length >= 35, `${times.length} values of ${name} in four and a half seconds`);
        // The first value of the heap is read when the recording begins, between two ticks.
        const distances = times.slice(2).map((time, i) => time - times[i + 1]);
        assert.ok(
          distances.every(s => s >= 0.049),
          `${name}: ${Math.min(...distances)} s between two values`,
        );
        const late = distances.filter(s => s > 0.15);
        assert.ok(
          late.length <= 0.05 * distances.length,
          `${name}: ${late.length} of ${distances.length} values are late`,
        );
      }
    }));
});
