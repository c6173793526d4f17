// Workers that end in every possible way: no crash, and the others go on.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADDON } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { samplesIn } from './support/profile.mjs';
import { runService, WORK } from './support/service.mjs';

describe('workers that end', () => {
  test('six workers that start and stop recordings in a loop', async t => {
    // The official add-on uses the default event loop from every thread, and corrupts memory here.
    const { stdout } = await runService(
      t,
      `
const { isMainThread, Worker, threadId } = require('node:worker_threads');
const { startProfiling, stopProfiling } = require(process.argv[2] ?? require('node:worker_threads').workerData);
${WORK}
if (isMainThread) {
  const workers = Array.from({ length: 6 }, () => new Worker(__filename, { workerData: process.argv[2], argv: [] }));
  Promise.all(workers.map(worker => new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject)))).then(codes =>
    console.log(codes.join(' ')),
  );
} else {
  for (let i = 0; i < 150; i++) {
    startProfiling('loop' + (i % 3));
    work(1);
    const profile = stopProfiling('loop' + (i % 3), 1, threadId);
    if (!profile) throw new Error('no profile');
  }
}
`,
      { args: [ADDON] },
    );
    assert.equal(stdout, '0 0 0 0 0 0\n');
  });

  test('an add-on that only workers load, one after the other', async t => {
    // The official add-on is unloaded with the worker, and a later callback crashes.
    const { stdout } = await runService(
      t,
      `
const { isMainThread, Worker, workerData } = require('node:worker_threads');
async function main() {
  for (let i = 0; i < 5; i++) {
    const worker = new Worker(__filename, { workerData: process.argv[2] });
    console.log(await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject)));
  }
  await new Promise(resolve => setTimeout(resolve, 200));
}
if (isMainThread) {
  main();
} else {
  const { Session, startProfiling } = require(workerData);
  ${WORK}
  startProfiling('never stopped');
  const options = { lifecycle: 'manual', sampleRate: 1, threadId: '1', threadName: 'worker', chunkDurationMs: 100 };
  new Session(options, () => {}).start();
  work(300);
}
`,
      { args: [ADDON] },
    );
    assert.equal(stdout, '0\n'.repeat(5));
  });

  test('workers end in every way while the main thread records', async t => {
    const ingest = await startIngest(t);
    const { stdout } = await runService(
      t,
      `
const Sentry = require('@sentry/node');
const { isMainThread, parentPort, threadId, Worker, workerData } = require('node:worker_threads');
const { nodeProfilingIntegration, startProfiling } = require('sentry-profiler-node');
${WORK}
Sentry.init({
  integrations: [nodeProfilingIntegration({ chunkDurationMs: 300 })],
  defaultIntegrations: false,
  profileSessionSampleRate: 1,
});
Sentry.profiler.startProfiler();
const ENDS = {
  returns: () => {},
  exits: () => process.exit(5),
  'exits in a microtask': () => queueMicrotask(() => process.exit(6)),
  throws: () => {
    throw new Error('on purpose');
  },
  rejects: () => Promise.reject(new Error('on purpose')),
  'is terminated in a loop': () => {
    parentPort.postMessage('now');
    for (;;) work(1000);
  },
  'is terminated while idle': () => {
    parentPort.postMessage('now');
    setInterval(() => {}, 1000);
  },
};
async function main() {
  for (const end of Object.keys(ENDS)) {
    const worker = new Worker(__filename, { workerData: end });
    worker.once('error', () => {});
    worker.once('message', () => worker.terminate());
    const code = await new Promise(resolve => worker.once('exit', resolve));
    work(100);
    console.log(end, code);
  }
  await Sentry.close();
}
if (isMainThread) {
  main();
} else {
  startProfiling('beside the session');
  work(100);
  ENDS[workerData]();
}
`,
      { ingest },
    );
    assert.deepEqual(stdout.trim().split('\n'), [
      'returns 0',
      'exits 5',
      'exits in a microtask 6',
      'throws 1',
      'rejects 1',
      'is terminated in a loop 1',
      'is terminated while idle 1',
    ]);
    const main = (await ingest.chunks()).filter(({ profile }) => '0' in profile.thread_metadata);
    assert.ok(
      main.reduce((sum, { profile }) => sum + samplesIn(profile, 'work').length, 0) >= 20,
      'the main thread goes on',
    );
  });
});
