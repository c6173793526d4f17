// A service that is profiled for months must not grow: a thousand chunks, ten thousand recordings.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADDON } from '../support/environment.mjs';
import { startIngest } from '../support/ingest.mjs';
import { assertFlat, RSS } from '../support/memory.mjs';
import { runService, SERVICE } from '../support/service.mjs';

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
