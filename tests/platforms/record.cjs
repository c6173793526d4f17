// The package without the SDK: it loads, records and cuts chunks, and workers and the process may end at any time.

const assert = require('node:assert/strict');
const { mkdirSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads');
const profiler = require('sentry-profiler-node');
const { check, end, hot, HOT, hottest, say } = require('./checks.cjs');

/** The native file of this platform, and where chunks are left for the validator. */
const { ADDON, CHUNKS } = process.env;

/** The package's native part. Only here it is used by itself: sessions are not public. */
const native = () => require(join(dirname(require.resolve('sentry-profiler-node')), '..', ADDON));

function session(onReady, chunkDurationMs) {
  const options = { lifecycle: 'manual', sampleRate: 1, chunkDurationMs, threadId: '0', threadName: 'main' };
  return new (native().Session)(options, onReady);
}

const CHUNK_MS = 2_000;
/** Chunks that a loop waits for, and for how long: a machine of any speed makes them in time. */
const CHUNK_COUNT = 2;
const PATIENCE_MS = 60_000;

async function chunks() {
  const began = Date.now() / 1000;
  const taken = [];
  const recording = session(() => taken.push(...recording.poll()), CHUNK_MS);
  assert.equal(recording.start(), 'started');
  for (const until = Date.now() + PATIENCE_MS; taken.length < CHUNK_COUNT && Date.now() < until; ) {
    hot(50);
    await new Promise(setImmediate);
  }
  assert.equal(recording.stop(), 'stopped');
  taken.push(...recording.flush(PATIENCE_MS));
  taken.push(...recording.close());
  assert.ok(taken.length >= CHUNK_COUNT, `${taken.length} chunks`);

  mkdirSync(CHUNKS, { recursive: true });
  let last = began;
  for (const [i, { payload }] of taken.entries()) {
    writeFileSync(join(CHUNKS, `${i}.json`), payload);
    const { profile } = JSON.parse(Buffer.from(payload).toString());
    assert.deepEqual(hottest(profile), HOT);
    // In Unix time, one after the other. Date.now() has no fractions, and is another reading of the clock.
    const times = profile.samples.map(({ timestamp }) => timestamp);
    assert.ok(times[0] > last - 0.05, `chunk ${i + 1} begins at ${times[0]}, not after ${last}`);
    last = times.at(-1);
  }
  const now = Date.now() / 1000;
  assert.ok(last < now + 0.05, `the last chunk ends at ${last}, and it is ${now}`);
  return `${taken.length} chunks`;
}

/** How workers end, and with which status. */
const ENDS = { stop: 0, return: 0, exit: 5, throw: 1, terminate: 1 };

async function workers() {
  const endings = Object.keys(ENDS).map(
    end =>
      new Promise(resolve => {
        const worker = new Worker(__filename, { workerData: end });
        let frame;
        worker.on('error', () => {});
        worker.on('message', message => {
          frame = message;
          if (end === 'terminate') {
            worker.terminate();
          }
        });
        worker.on('exit', code => resolve({ code, frame }));
      }),
  );
  // The main thread records and works meanwhile.
  profiler.startProfiling('main');
  hot(200);
  assert.deepEqual(hottest(profiler.stopProfiling('main')), HOT);
  const ended = await Promise.all(endings);
  assert.deepEqual(
    ended.map(({ code }) => code),
    Object.values(ENDS),
  );
  assert.deepEqual(ended[0].frame, HOT);
  return `${ended.length} workers`;
}

/** What a worker does. All but one end while they record. */
function work() {
  const recording = session(() => {}, CHUNK_MS);
  recording.start();
  profiler.startProfiling('worker');
  hot(400);
  if (workerData === 'stop') parentPort.postMessage(hottest(profiler.stopProfiling('worker')));
  if (workerData === 'exit') process.exit(ENDS.exit);
  if (workerData === 'throw') throw new Error('on purpose');
  if (workerData === 'terminate') {
    parentPort.postMessage('now');
    while (hot(100));
  }
}

async function main() {
  say(`Node ${process.version}, V8 ${process.versions.v8}, ${process.platform}-${process.arch}`);
  await check('the package loads its file for this platform', () => {
    const { v8 } = process.versions;
    const supported = { supported: true, v8Version: v8, missing: [], reason: null };
    assert.deepEqual(profiler.profilerSupport(), supported);
    assert.equal(typeof native().Session, 'function', `${ADDON} is the file`);
  });
  await check('the hot function is the hottest of a recording', () => {
    profiler.startProfiling('outer');
    profiler.startProfiling('inner');
    hot(400);
    assert.deepEqual(hottest(profiler.stopProfiling('inner')), HOT);
    const profile = profiler.stopProfiling('outer', { format: 'thread' });
    assert.deepEqual(hottest(profile), HOT);
    return `${profile.samples.length} samples`;
  });
  await check('chunks of two seconds', chunks);
  await check('workers end, also while they record', workers);
  // Both kinds of recordings are under way when the process exits.
  session(() => {}, CHUNK_MS).start();
  profiler.startProfiling('until the end');
  hot(100);
  end();
}

if (isMainThread) {
  main();
} else {
  work();
}
