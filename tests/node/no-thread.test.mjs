// A system that cannot create threads for a while. From V8 13.6 on, V8 would end the process. The service must go on,
// with one warning, and be profiled once there are threads again.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { preloaded } from './support/preload.mjs';
import { samplesIn } from './support/profile.mjs';
import { retryOnce } from './support/retry.mjs';
import { runService, SERVICE } from './support/service.mjs';

const service = `${SERVICE}
const fs = require('node:fs');
Sentry.init({
  integrations: [nodeProfilingIntegration({ quietMs: 100 })],
  defaultIntegrations: false,
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: process.argv[2],
});
const manual = process.argv[2] === 'manual';
async function span(name, ms) {
  if (manual) Sentry.profiler.startProfiler();
  Sentry.startSpan({ name }, () => busy(name)(ms));
  if (manual) Sentry.profiler.stopProfiler();
  await sleep(700);
}
async function main() {
  // Node starts its own threads while it can.
  await fs.promises.stat('.');
  await span('before', 100);
  fs.writeFileSync(process.env.NO_THREAD, '');
  await sleep(500);
  for (let i = 0; i < 3; i++) await span('without', 20);
  fs.rmSync(process.env.NO_THREAD);
  // The profiler tries again at growing intervals.
  for (let i = 0; i < 12; i++) await span('after', 100);
  await Sentry.close();
  console.log('at the end');
}
main();
`;

describe('a system without threads', { concurrency: 2 }, () => {
  for (const lifecycle of ['trace', 'manual']) {
    const name = `the service goes on and is profiled again, ${lifecycle}`;
    const check = async t => {
      const ingest = await startIngest(t);
      const { dir, library } = preloaded(t, 'no-thread.c');
      const { stdout, stderr } = await runService(t, service, {
        ingest,
        args: [lifecycle],
        env: { LD_PRELOAD: library, NO_THREAD: `${dir}/refuse` },
      });
      assert.match(stdout, /at the end/);
      const warnings = stderr.split('\n').filter(line => line.includes('[Profiling]'));
      assert.equal(warnings.length, 1, stderr);
      assert.match(warnings[0], /thread/i);
      const chunks = await ingest.chunks();
      const count = name => chunks.reduce((sum, { profile }) => sum + samplesIn(profile, name).length, 0);
      assert.ok(
        count('before') > 0 && count('after') > 0,
        `${count('before')} samples before, ${count('after')} after`,
      );
      assert.equal(count('without'), 0);
    };
    test(name, t => retryOnce(t, () => check(t)));
  }
});
