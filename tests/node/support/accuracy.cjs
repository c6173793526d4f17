// A program that measures its own times: spans of known lengths, each with two equal halves in separate functions. It
// records itself and prints the time spent, what each of its recorders billed, the functions in the profiles, and what
// an inspector session recorded. Arguments: a mode and options as JSON.

const { once } = require('node:events');
const { Session } = require('node:inspector');
const os = require('node:os');
const { promisify } = require('node:util');
const { Worker, isMainThread, parentPort, threadId, workerData } = require('node:worker_threads');

const [mode, options] = isMainThread ? [process.argv[2], JSON.parse(process.argv[3])] : workerData;
const addon = require(options.addon);

const INTERVAL_MS = 10.101;
/** Lengths of spans, milliseconds. */
const LENGTHS = [3, 5, 15, 50];
const RECORDING_MS = 30;
const LONG_PAUSE_MS = 1_600;

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** 1 to 8 ms. Timers have whole milliseconds, so the rest is a busy wait. */
async function shortPause() {
  const end = performance.now() + 1 + 7 * Math.random();
  await sleep(Math.floor(end - performance.now()));
  while (performance.now() < end);
}

/** With jitter, as the requests of a real service. */
const longPause = () => sleep(LONG_PAUSE_MS + 20 * Math.random());

/** Each half is a separate function with its own name and code. */
const halves = Object.fromEntries(
  [...LENGTHS, RECORDING_MS]
    .flatMap(ms => [`early${ms}`, `late${ms}`])
    .map(name => [
      name,
      new Function(
        `return function ${name}(end) {
        let sum = 0;
        do for (let i = 0; i < 200; i++) sum += Math.sqrt(sum + i);
        while (performance.now() < end);
        return sum;
      }`,
      )(),
    ]),
);

/** V8 optimizes the functions first: profilers lose functions that are optimized while they loop. */
function optimize(rounds) {
  for (let i = 0; i < rounds; i++) {
    Object.values(halves).forEach(half => half(0));
  }
}

/** Milliseconds by the name of a half. */
const times = () => Object.fromEntries(Object.keys(halves).map(name => [name, 0]));

const found = { spent: times(), inspected: times(), watched: times(), recorders: {} };
const functions = new Set();

/** Spends a span's time. */
function work(ms) {
  const begin = performance.now();
  halves[`early${ms}`](begin + ms / 2);
  const middle = performance.now();
  halves[`late${ms}`](middle + ms / 2);
  found.spent[`early${ms}`] += middle - begin;
  found.spent[`late${ms}`] += performance.now() - middle;
}

/** What a recorder has billed so far. */
const sumsOf = recorder => (found.recorders[recorder] ??= { billed: times(), ticks: times() });

/** Adds the times in a recorder's profile: a sample lasts until the next one. */
function bill(recorder, { samples, stacks, frames }) {
  const { billed, ticks } = sumsOf(recorder);
  const time = ({ timestamp, elapsed_since_start_ns: ns }) => (ns === undefined ? timestamp * 1e3 : Number(ns) / 1e6);
  samples.forEach((sample, i) => {
    const stack = stacks[sample.stack_id].map(index => frames[index].function);
    stack.forEach(name => functions.add(name));
    const name = stack.find(name => Object.hasOwn(halves, name));
    if (name) {
      billed[name] += time(samples[i + 1] ?? sample) - time(sample);
      ticks[name] += 1;
    }
  });
}

/** Runs an inspector session next to ours. Adds its ticks in each half, and the time that was spent in them. */
async function inspect(run) {
  const session = new Session();
  session.connect();
  const post = promisify(session.post.bind(session));
  await post('Profiler.enable', {});
  await post('Profiler.setSamplingInterval', { interval: Math.round(INTERVAL_MS * 1e3) });
  await post('Profiler.start', {});
  await run();
  const { nodes } = (await post('Profiler.stop', {})).profile;
  const byId = new Map(nodes.map(node => [node.id, node]));
  const count = ({ callFrame, hitCount, children = [] }, outer) => {
    const name = Object.hasOwn(halves, callFrame.functionName) ? callFrame.functionName : outer;
    if (name) {
      found.inspected[name] += hitCount;
    }
    children.forEach(id => count(byId.get(id), name));
  };
  count(nodes[0]);
  found.watched = found.spent;
}

/** For each length as many spans as take `ticks` intervals, in random order. */
function plan(ticks) {
  const spans = LENGTHS.flatMap(ms => Array.from({ length: Math.round((ticks * INTERVAL_MS) / ms) }, () => ms));
  return spans
    .map(ms => [Math.random(), ms])
    .sort(([a], [b]) => a - b)
    .map(([, ms]) => ms);
}

/** A session of this lifecycle, which is told of every span. */
function open(lifecycle) {
  const names = { threadId: String(threadId), threadName: 'test' };
  const session = new addon.Session({ lifecycle, sampleRate: 1, ...names }, () => take(session.poll()));
  const take = chunks => chunks.forEach(({ payload }) => bill(lifecycle, JSON.parse(Buffer.from(payload)).profile));
  const { started, ended } = session.spanFunctions();
  // Also where it bills nothing.
  sumsOf(lifecycle);
  session.start();
  // A function named as one of the profiler would count as one.
  return { started, ended, deliver: () => take(session.flush(5_000)), close: () => take(session.close()) };
}

async function spans({ lifecycles, flush, ticks }, pause) {
  const sessions = lifecycles.map(open);
  for (const ms of plan(ticks)) {
    sessions.forEach(session => session.started());
    work(ms);
    sessions.forEach(session => session.ended());
    if (flush) {
      sessions.forEach(session => session.deliver());
    }
    await pause();
  }
  sessions.forEach(session => session.close());
}

/** Named recordings of one span each, alternating between the two formats. */
async function recordings({ ticks }) {
  for (let i = 0; i < (ticks * INTERVAL_MS) / RECORDING_MS; i++) {
    addon.startProfiling('short');
    work(RECORDING_MS);
    bill('recordings', addon.stopProfiling('short', i % 2, threadId, false));
    await shortPause();
  }
}

/** Workers in both lifecycles, with and without flushes, each with long pauses: many spans in a reasonable time. */
async function crowd({ ticks, workers, ...rest }) {
  const threads = Array.from({ length: workers }, (_, i) => {
    const lifecycles = [i % 2 ? 'trace' : 'manual'];
    // Inspect only some of them, because inspecting all would take as much CPU as all the rest.
    const share = { ...rest, ticks: ticks / workers, lifecycles, flush: i % 4 > 1, inspected: i % 16 < 4 };
    return new Worker(__filename, { workerData: ['sparse', share] });
  });
  const said = () => Promise.all(threads.map(async thread => (await once(thread, 'message'))[0]));
  await said();
  threads.forEach(thread => thread.postMessage('begin'));
  const add = (sums, more) => Object.keys(halves).forEach(name => (sums[name] += more[name]));
  const all = { billed: times(), ticks: times() };
  for (const result of await said()) {
    for (const key of ['spent', 'inspected', 'watched']) add(found[key], result[key]);
    for (const recorder of Object.values(result.recorders)) {
      for (const key of ['billed', 'ticks']) add(all[key], recorder[key]);
    }
    result.functions.forEach(name => functions.add(name));
  }
  found.recorders.crowd = all;
}

async function main() {
  // Unless its core is to be shared.
  if (!options.shares) {
    try {
      // Other processes' time would count for the function that they interrupt.
      os.setPriority(os.constants.priority.PRIORITY_HIGHEST);
    } catch {
      // Needs privileges.
    }
  }
  if (isMainThread) {
    optimize(20_000);
  }
  await {
    spans: () => inspect(() => spans(options, shortPause)),
    sparse: async () => {
      optimize(2_000);
      parentPort.postMessage('optimized');
      await once(parentPort, 'message');
      await sleep(LONG_PAUSE_MS * Math.random());
      const run = () => spans(options, longPause);
      await (options.inspected ? inspect(run) : run());
    },
    recordings: () => inspect(() => recordings(options)),
    crowd: () => crowd(options),
  }[mode]();
  const result = { ...found, functions: [...functions] };
  if (isMainThread) {
    console.log(JSON.stringify(result));
  } else {
    parentPort.postMessage(result);
  }
}
main();
