'use strict';
// What recording costs while nothing runs: node idle.cjs PROFILER SECONDS WORKERS. Each of the workers records, or the
// main thread if there are none.

const { createServer } = require('node:http');
const { Worker, isMainThread, parentPort, threadId, workerData } = require('node:worker_threads');
const { rates, startMeter } = require('./meter.cjs');
const { PROFILERS } = require('./profilers.cjs');

/**
 * A recording sleeps after three seconds. Starting also leaves work behind: V8 compiles and collects garbage on its own
 * threads for a while.
 */
const SETTLE_MS = 4_000;

function record(name) {
  const profiler = PROFILERS[name]({ threadId: String(threadId), threadName: isMainThread ? 'main' : 'worker' });
  profiler.load();
  profiler.start();
}

/** Resolves when the worker records. */
function startWorker(name) {
  const worker = new Worker(__filename, { workerData: name });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

async function main() {
  const [name, seconds, workers] = process.argv.slice(2);
  // As in a service, this keeps the process alive.
  createServer().listen(0, '127.0.0.1');
  const readings = startMeter();
  if (Number(workers) > 0) {
    await Promise.all(Array.from({ length: Number(workers) }, () => startWorker(name)));
  } else {
    record(name);
  }
  const [from, to] = await readings([SETTLE_MS, SETTLE_MS + seconds * 1_000]);
  const { cpu, switches } = rates(from, to);
  return { idleCpu: cpu, switches };
}

if (isMainThread) {
  main().then(figures => {
    console.log(JSON.stringify(figures));
    process.exit();
  });
} else {
  record(workerData);
  // Keeps the worker alive.
  parentPort.on('message', () => {});
  parentPort.postMessage('recording');
}
