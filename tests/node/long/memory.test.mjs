// A service that is profiled for months must not grow: a thousand chunks, ten thousand recordings.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADDON } from '../support/environment.mjs';
import { startIngest } from '../support/ingest.mjs';
import { runService, SERVICE } from '../support/service.mjs';

const MIB = 2 ** 20;
/** V8's heap and the allocator's arenas vary by this much. */
const BREATH_MIB = 6;

/** `rss()` is the resident memory after garbage collection. */
const RSS = `
const rss = () => {
  gc();
  gc();
  return process.memoryUsage.rss();
};
`;

/** Fails if memory in the second half of the readings is above the end of the first half. */
function assertFlat(t, readings) {
  const mib = readings.map(bytes => bytes / MIB);
  t.diagnostic(`RSS in MiB: ${mib.map(value => value.toFixed(1)).join(' ')}`);
  const half = mib.length >> 1;
  const before = Math.max(...mib.slice(half - 2, half));
  const after = Math.min(...mib.slice(-2));
  assert.ok(after <= Math.max(1.05 * before, before + BREATH_MIB), `RSS grows from ${before} to ${after} MiB`);
}

describe('memory', () => {
  test('a thousand chunks in a row', async t => {
    const ingest = await startIngest(t);
    const { stdout } = await runService(
      t,
      `${SERVICE}
${RSS}
Sentry.init({
  integrations: [nodeProfilingIntegration({ chunkDurationMs: 100 })],
  defaultIntegrations: false,
  profileSessionSampleRate: 1,
});
const readings = [];
async function main() {
  Sentry.profiler.startProfiler();
  for (let i = 0; i < 10; i++) {
    const end = performance.now() + 10_300;
    while (performance.now() < end) {
      busy('work' + (i % 3))(5);
      await sleep(15);
    }
    readings.push(rss());
  }
  await Sentry.close();
  console.log(JSON.stringify(readings));
}
main();
`,
      { ingest, flags: ['--expose-gc'], timeout: 240_000 },
    );
    const chunks = await ingest.chunks();
    t.diagnostic(`${chunks.length} chunks, all valid`);
    assert.ok(chunks.length >= 950, `${chunks.length} chunks`);
    assertFlat(t, JSON.parse(stdout));
  });

  test('ten thousand recordings that start and stop', async t => {
    const { stdout } = await runService(
      t,
      `${RSS}
const { startProfiling, stopProfiling } = require(process.argv[2]);
const readings = [];
for (let i = 0; i < 10_000; i++) {
  startProfiling('recording ' + i);
  if (!stopProfiling('recording ' + i, 1, 0)) throw new Error('no profile');
  if (i % 1000 === 999) readings.push(rss());
}
console.log(JSON.stringify(readings));
`,
      { args: [ADDON], flags: ['--expose-gc'], timeout: 120_000 },
    );
    assertFlat(t, JSON.parse(stdout));
  });
});
