// Worker threads have profilers of their own.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { hottest, samplesIn } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

describe('workers', { concurrency: 2 }, () => {
  test('the main thread and two workers are profiled at once', async t => {
    const ingest = await startIngest(t);
    const { stdout } = await runService(
      t,
      `${SERVICE}
const { isMainThread, threadId, Worker } = require('node:worker_threads');
async function main() {
  Sentry.init({ integrations: [nodeProfilingIntegration()], defaultIntegrations: false, profileSessionSampleRate: 1 });
  Sentry.profiler.startProfiler();
  const workers = isMainThread ? [new Worker(__filename), new Worker(__filename)] : [];
  const ended = workers.map(worker => new Promise(resolve => worker.once('exit', resolve)));
  busy('work' + threadId)(300);
  console.log('thread ' + threadId);
  console.log(...(await Promise.all(ended)).map(code => 'exited ' + code));
  await Sentry.close();
}
main();
`,
      { ingest },
    );
    assert.match(stdout, /exited 0 exited 0\n/);
    // Other threads take ids too, such as that of the SDK's loader hooks.
    const ids = [...stdout.matchAll(/thread (\d+)/g)].map(([, id]) => id);
    assert.equal(ids.length, 3);
    const chunks = await ingest.chunks();
    for (const id of ids) {
      const own = chunks.filter(({ profile }) => id in profile.thread_metadata);
      assert.ok(own.length >= 1, `a chunk of thread ${id}`);
      assert.deepEqual(own[0].profile.thread_metadata, { [id]: { name: id === '0' ? 'main' : 'worker' } });
      for (const { profile } of own) {
        assert.ok(profile.samples.every(({ thread_id }) => thread_id === id));
      }
      assert.ok(own.some(({ profile }) => samplesIn(profile, `work${id}`).length > 0));
    }
    assert.equal(new Set(chunks.map(({ profiler_id }) => profiler_id)).size, 3, 'a session for each thread');
  });

  test('a worker ends cleanly while it records, by itself or terminated', async t => {
    const ingest = await startIngest(t);
    const { stdout } = await runService(
      t,
      `${SERVICE}
const { isMainThread, Worker, workerData, parentPort } = require('node:worker_threads');
async function main() {
  if (isMainThread) {
    for (const end of ['return', 'exit', 'throw', 'terminate']) {
      const worker = new Worker(__filename, { workerData: end });
      worker.once('error', () => {});
      worker.once('message', () => worker.terminate());
      const code = await new Promise(resolve => worker.once('exit', resolve));
      console.log(end, code);
    }
    return;
  }
  Sentry.init({ integrations: [nodeProfilingIntegration()], defaultIntegrations: false, profileSessionSampleRate: 1 });
  Sentry.profiler.startProfiler();
  busy('work')(150);
  if (workerData === 'exit') process.exit(5);
  if (workerData === 'throw') throw new Error('on purpose');
  if (workerData === 'terminate') {
    parentPort.postMessage('now');
    busy('terminated')(60_000);
  }
}
main();
`,
      { ingest },
    );
    assert.equal(stdout, 'return 0\nexit 5\nthrow 1\nterminate 1\n');
    const chunks = await ingest.chunks();
    assert.equal(hottest(chunks[0].profile)[0].frame.function, 'work', 'the worker that returned has sent its chunk');
  });
});
