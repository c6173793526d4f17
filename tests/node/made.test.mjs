// When V8's profiler is made: the sooner, the less V8 has to list, and code that it has optimized before is missing.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ADDON } from './support/environment.mjs';
import { project, run, runService } from './support/service.mjs';

/** `inner` is optimized in the middle of its loop, long before anything records. */
const HOT = `
function inner(count) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum * 31 + i) | 0;
  return sum;
}
function outer(ms) {
  let sum = 0;
  for (const end = performance.now() + ms; performance.now() < end; ) sum += inner(1_000_000);
  return sum;
}
`;

/** Prints the share of the samples of `outer` that are in `inner`. */
const RECORD = `
startProfiling('hot');
outer(500);
const lines = String(stopProfiling('hot', { format: 'folded' })).split('\\n');
const samples = name => lines.filter(line => line.includes(name)).reduce((sum, line) => sum + Number(line.split(' ').pop()), 0);
console.log(samples('outer') > 20 && samples('inner') / samples('outer'));
`;

describe('when the profiler is made', { concurrency: 2 }, () => {
  for (const [rate, loaded] of [
    [1, true],
    [1e-12, false],
  ]) {
    test(`a process with the sample rate ${rate} loads ${loaded ? 'the' : 'no'} native file`, async t => {
      const { stdout } = await runService(
        t,
        `
const Sentry = require('@sentry/node');
const { nodeProfilingIntegration } = require('sentry-profiler-node');
Sentry.init({
  dsn: 'http://public@127.0.0.1:9/1',
  integrations: [nodeProfilingIntegration()],
  tracesSampleRate: 1,
  profileSessionSampleRate: ${rate},
  profileLifecycle: 'trace',
});
console.log(process.report.getReport().sharedObjects.some(file => file.includes('sentry_profiler')));
process.exit();
`,
      );
      assert.equal(stdout, `${loaded}\n`);
    });
  }

  for (const flag of ['--require', '--import']) {
    test(`${flag} sentry-profiler-node/early makes it before all else`, async t => {
      const dir = project(t, {
        'service.cjs': `${HOT}
outer(500);
const { startProfiling, stopProfiling } = require('sentry-profiler-node');
${RECORD}`,
      });
      const { stdout } = await run(join(dir, 'service.cjs'), { cwd: dir, flags: [flag, 'sentry-profiler-node/early'] });
      assert.ok(Number(stdout) > 0.9, stdout);
    });
  }

  test('sentry-profiler-node/early says nothing where there is no profiler', async t => {
    const { stdout, stderr } = await runService(t, "require('sentry-profiler-node/early'); console.log('on');", {
      env: { SENTRY_PROFILER_BINARY_PATH: '/there/is/no/such/file.node' },
    });
    assert.deepEqual([stdout, stderr], ['on\n', '']);
  });

  test('the native file alone, as the official integration loads it, makes it at once', async t => {
    const { stdout } = await runService(
      t,
      `${HOT}
const addon = require(${JSON.stringify(ADDON)});
outer(500);
addon.startProfiling('hot');
outer(500);
const { stacks, samples, frames } = addon.stopProfiling('hot', 0, 0, false);
const leaf = sample => frames[stacks[sample.stack_id][0]]?.function;
const hot = samples.map(leaf).filter(name => name === 'inner' || name === 'outer');
console.log(hot.length > 20 && hot.filter(name => name === 'inner').length / hot.length);
`,
    );
    assert.ok(Number(stdout) > 0.9, stdout);
  });
});
