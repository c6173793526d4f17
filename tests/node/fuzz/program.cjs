// The fuzzer's program: program.cjs MODE SEED SECONDS ADDON PACKAGE RECORD. RECORD is a folder for the last calls of
// each thread, which the test shows if the process fails. Prints counts as JSON.
//
// Modes: `main` makes random calls on the main thread; `workers` on the main thread and on workers that come and go;
// `ends` lists the ways to end a process; each of these ways is a mode that makes some calls and ends so.

'use strict';

const { openSync, writeSync } = require('node:fs');
const { join } = require('node:path');
const { isMainThread, parentPort, threadId, Worker, workerData } = require('node:worker_threads');
const { createSurface, work } = require('./surface.cjs');
const { createRandom } = require('./values.cjs');

const given = isMainThread ? process.argv.slice(2) : workerData.arguments;
const [mode, seed, seconds, addonFile, packageDir, folder] = given;
const LINE = 48;
const LINES = 100;
/** How many workers run at a time. */
const CROWD = 3;
/** How often memory is read. */
const READINGS = 10;

/** Keeps the last calls in a file, which survives a crash. */
function createRecord() {
  const file = openSync(join(folder, `thread-${threadId}`), 'w');
  let count = 0;
  return line => {
    const text = `${String(count).padStart(8)} ${line}`.slice(0, LINE - 1).padEnd(LINE - 1);
    writeSync(file, `${text}\n`, (count++ % LINES) * LINE);
  };
}

const record = createRecord();
const surface = own => createSurface({ seed: own, addonFile, packageDir, folder, record });
/** Waits for a turn of the event loop. */
const turn = () => new Promise(resolve => setImmediate(resolve));
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

const SHORT_CHUNKS = { lifecycle: 'manual', sampleRate: 1, chunkDurationMs: 100, threadId: '1', threadName: 'thread' };
const throwOnPurpose = () => {
  throw new Error('on purpose');
};

/** Ways for a worker to end, each with its exit code. */
const WORKER_ENDS = {
  returns: { code: 0, end: () => {} },
  exits: { code: 5, end: () => process.exit(5) },
  'exits in a microtask': { code: 6, end: () => queueMicrotask(() => process.exit(6)) },
  throws: { code: 1, end: () => void setImmediate(throwOnPurpose) },
  rejects: { code: 1, end: () => void Promise.reject(new Error('on purpose')) },
  'is terminated in a loop': {
    code: 1,
    end: () => {
      parentPort.postMessage('now');
      for (;;) work(1000);
    },
  },
  'is terminated while idle': {
    code: 1,
    end: () => {
      parentPort.postMessage('now');
      setInterval(() => {}, 1000);
    },
  },
  'runs out of memory': {
    code: 1,
    resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 },
    end: () => {
      const all = [];
      for (;;) all.push(Array.from({ length: 1000 }, (_, i) => ({ i })));
    },
  },
  'exits when a chunk is ready': {
    code: 8,
    end: () => {
      const { Session } = require(addonFile);
      // Must not be garbage-collected.
      globalThis.session = new Session(SHORT_CHUNKS, () => process.exit(8));
      globalThis.session.start();
      setInterval(() => work(20), 30);
    },
  },
};

/** Ways for a process to end, each with its exit code. */
const PROCESS_ENDS = {
  'the event loop runs dry': { code: 0, end: () => {} },
  'process.exit': { code: 3, end: () => process.exit(3) },
  'process.exit in a microtask': { code: 6, end: () => queueMicrotask(() => process.exit(6)) },
  'an uncaught error': { code: 1, end: () => void setImmediate(throwOnPurpose) },
  'an unhandled rejection': { code: 1, end: () => void Promise.reject(new Error('on purpose')) },
  'process.exit when a chunk is ready': WORKER_ENDS['exits when a chunk is ready'],
  'an error in onReady': {
    code: 1,
    end: () => {
      const { Session } = require(addonFile);
      globalThis.session = new Session(SHORT_CHUNKS, throwOnPurpose);
      globalThis.session.start();
      setInterval(() => work(20), 30);
    },
  },
  'process.exit beside workers': {
    code: 4,
    end: async () => {
      for (let i = 0; i < CROWD; i++) startWorker(Number(seed) + i, 'is terminated in a loop', 20);
      await sleep(Number(seed) % 300);
      process.exit(4);
    },
  },
};

/** Starts a worker that makes some calls and ends. Endless loops and idle workers are terminated from here. */
function startWorker(own, end, calls) {
  const { resourceLimits } = WORKER_ENDS[end];
  const worker = new Worker(__filename, { workerData: { arguments: given, seed: own, end, calls }, resourceLimits });
  worker.on('message', () => worker.terminate());
  worker.on('error', error => {
    // Any other error is a failed check.
    if (!/on purpose/.test(error.message) && error.code !== 'ERR_WORKER_OUT_OF_MEMORY') {
      console.error(`seed ${own}:`, error);
      process.exit(7);
    }
  });
  return worker;
}

async function beWorker({ seed: own, end, calls }) {
  const { act } = surface(own);
  for (let i = 0; i < calls; i++) {
    act();
    if (i % 8 === 0) await turn();
  }
  WORKER_ENDS[end].end();
}

async function crowd(random, until, ended) {
  while (Date.now() < until) {
    const end = random.of(Object.keys(WORKER_ENDS));
    const own = random.seed();
    const worker = startWorker(own, end, random.below(120));
    // Terminate some at a random moment, even while they load.
    const early = random.oneIn(4) && setTimeout(() => worker.terminate(), random.below(250));
    const code = await new Promise(resolve => worker.once('exit', resolve));
    clearTimeout(early);
    ended[end] = (ended[end] ?? 0) + 1;
    if (code !== WORKER_ENDS[end].code && !early) {
      throw new Error(`a worker that ${end} ended with ${code}, seed ${own}`);
    }
  }
}

/** The memory that the process holds, without the pages that V8 keeps for objects to come. */
const held = () => {
  globalThis.gc?.();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - heapTotal + heapUsed;
};

async function beMain() {
  const random = createRandom(Number(seed));
  const until = Date.now() + 1000 * Number(seconds);
  const readings = [];
  const ended = {};
  const { act, end, seen } = surface(random.seed());
  const crowds = [];
  while (mode === 'workers' && crowds.length < CROWD) crowds.push(crowd(createRandom(random.seed()), until, ended));
  const step = (1000 * Number(seconds)) / READINGS;
  let due = Date.now() + step;
  while (Date.now() < until) {
    act();
    // Wake-ups come between two turns of the event loop; some turns are long.
    if (random.oneIn(8)) await turn();
    if (random.oneIn(60)) await sleep(random.below(60));
    if (crowds.length > 0) await sleep(random.below(20));
    if (Date.now() >= due) {
      due += step;
      readings.push(held());
    }
  }
  await Promise.all(crowds);
  end();
  console.log(JSON.stringify({ ...seen, readings, ended }));
}

async function beEnding({ end }) {
  const { act, random } = surface(Number(seed));
  const until = Date.now() + 1000 * Number(seconds);
  while (Date.now() < until) {
    act();
    if (random.oneIn(8)) await turn();
  }
  await end();
}

if (!isMainThread) {
  beWorker(workerData);
} else if (mode === 'ends') {
  console.log(JSON.stringify(Object.entries(PROCESS_ENDS).map(([name, { code }]) => ({ name, code }))));
} else if (mode in PROCESS_ENDS) {
  beEnding(PROCESS_ENDS[mode]);
} else {
  beMain();
}
