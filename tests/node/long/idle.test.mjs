// A service that is idle most of the time, with a burst of work now and then: its bursts are billed right, its memory
// stays flat, and profiling costs next to nothing while it is idle. Takes a minute; with SENTRY_PROFILER_SOAK=full,
// half an hour with a burst a minute.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { requireTool } from '../support/environment.mjs';
import { startIngest } from '../support/ingest.mjs';
import { assertFlat, RSS } from '../support/memory.mjs';
import { joints, SAMPLING_INTERVAL_S, stackOf } from '../support/profile.mjs';
import { retryOnce } from '../support/retry.mjs';
import { project, run } from '../support/service.mjs';

const FULL = process.env.SENTRY_PROFILER_SOAK === 'full';
/** From one burst to the next, and up to a second more. */
const PAUSE_MS = FULL ? 59_000 : 4_500;
const BURSTS = FULL ? 30 : 10;
/** How long one takes, with its pauses. */
const BURST_MS = 600;
/** After its bursts a program does nothing for so long. */
const QUIET_MS = FULL ? 60_000 : 20_000;
/** A few bursts in each chunk. */
const CHUNK_MS = FULL ? 60_000 : 20_000;

/**
 * `awakeMs` after JavaScript ran last, a recording sleeps at the latest. In the trace lifecycle it is over by then, when
 * no span has followed.
 */
const CASES = [
  { name: 'the manual lifecycle', lifecycles: ['manual'], workers: 0, awakeMs: 3_000 },
  { name: 'the trace lifecycle', lifecycles: ['trace'], workers: 0, awakeMs: 1_000 },
  { name: 'a main thread and eight workers', lifecycles: ['manual', 'manual', 'trace'], workers: 8, awakeMs: 3_000 },
];

/** The lengths of pieces of work, milliseconds. */
const LENGTHS = [3, 15, 60];
/** The length of a burst's first piece, burst by burst. Most are short, because those get few ticks. */
const FIRSTS = [3, 15, 3, 60, 3];
/** The other pieces of each burst. */
const LATER = [3, 15, 3, 60, 3, 15, 3, 3];
const NAMES = ['first', 'later'].flatMap(place => LENGTHS.map(ms => place + ms));
/** The bursts after which memory is read: two when a third is over, and the last two. */
const READ_AFTER = [Math.floor(BURSTS / 3), Math.floor(BURSTS / 3) + 1, BURSTS - 2, BURSTS - 1];

const INTERVAL_MS = 1e3 * SAMPLING_INTERVAL_S;
/**
 * Their halves are checked, too. In shorter pieces V8's thread, which has to wake a core, is late by as much as a half
 * takes: the second one has up to twice the ticks of the first, with and without pauses. Inspector sessions differ, too.
 */
const HALVED = NAMES.filter(name => Number.parseInt(name.slice(5)) > INTERVAL_MS);
/** All pieces; each name's, and their two halves, each by number and by time; and one half compared with the other. */
const CHECKS = CASES.length * (2 * (1 + NAMES.length + 2 * HALVED.length) + HALVED.length);
/** How likely a right profiler fails one of the checks: one run in 10,000 fails any. */
const UNLIKELY = 1 / 10_000 / CHECKS;
/** What else ticks may be off by: V8's thread may be late, and the program's clocks have a price. */
const TOLERANCE = 0.1;
/** And by one, which was late. */
const LATE = 1;
/** A piece that took this much longer was interrupted by another thread, which says nothing about a profiler. */
const INTERRUPTED_MS = 1;
/** Pieces of so many milliseconds have ticks for certain. */
const LOST_MS = 3 * INTERVAL_MS;
/** How far a tick may appear outside its piece: the profiler follows the wall clock more closely. */
const CLOCK_TOLERANCE_S = 0.01;
/** The part of the time that may go to what is neither a burst nor idle: the SDK, the reading of memory. */
const OTHERS = 0.02;

/**
 * What a thread may cost, in context switches, which do not depend on how fast the machine is, as CPU does. Each tick
 * wakes V8's thread and the recorded one.
 */
const SWITCHES_AWAKE = 230;
const SWITCHES_ASLEEP = 10;
/** For one waking: V8 collects garbage on four threads, the SDK sends something. */
const SWITCHES_OF_WORK = 200;

/** Makes glibc return what is freed. By default it keeps more and more of it for a while, as if there was a leak. */
const PLAIN_MALLOC = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/** All threads do the same. Prints what each of them did. */
const PROGRAM = `
import * as Sentry from '@sentry/node';
import { nodeProfilingIntegration } from 'sentry-profiler-node';
import { once } from 'node:events';
import os from 'node:os';
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads';
${RSS}
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const { lifecycles, workers, index } = isMainThread ? { ...JSON.parse(process.argv[2]), index: 0 } : workerData;
const lifecycle = lifecycles[index % lifecycles.length];

/** Functions that are named first3early, first3late and so on. They allocate nothing, because V8 would collect it. */
const halves = Object.fromEntries(
  ${JSON.stringify(NAMES)}
    .flatMap(name => [name + 'early', name + 'late'])
    .map(name => [
      name,
      new Function(
        \`return function \${name}() {
        let sum = 0;
        for (let i = 0; i < 20000; i++) sum = (sum + i) & 0xffff;
        return sum;
      }\`,
      )(),
    ]),
);

/** Many short calls: when V8 optimizes a function in a loop, the rest of the call is its caller's. */
function spend(half, end) {
  do half();
  while (performance.now() < end);
}

/** Lets V8 optimize the functions. */
function warmUp() {
  for (const end = performance.now() + 500; performance.now() < end; ) {
    Object.values(halves).forEach(half => spend(half, performance.now() + 1));
  }
}

const done = { threadId, pieces: [], readings: [] };

function piece(name, ms) {
  const from = performance.now();
  spend(halves[name + 'early'], from + ms / 2);
  const middle = performance.now();
  spend(halves[name + 'late'], middle + ms / 2);
  const to = performance.now();
  const inSeconds = time => (time + Date.now() - performance.now()) / 1e3;
  const piece = { name, early: middle - from, late: to - middle, from: inSeconds(from), to: inSeconds(to) };
  done.pieces.push({ ...piece, interrupted: to - from > ms + ${INTERRUPTED_MS} });
}

async function burst(first) {
  piece('first' + first, first);
  for (const ms of ${JSON.stringify(LATER)}) {
    // Random, so that every piece meets ticks by itself.
    await sleep(20 + 30 * Math.random());
    piece('later' + ms, ms);
  }
}

async function work() {
  const firsts = ${JSON.stringify(FIRSTS)};
  for (let i = 0; i < ${BURSTS}; i++) {
    const pause = ${PAUSE_MS} + 1000 * Math.random();
    // Threads work at different moments.
    await sleep(i === 0 ? pause * Math.random() : pause);
    const first = firsts[i % firsts.length];
    await (lifecycle === 'trace' ? Sentry.startSpan({ name: 'burst' }, () => burst(first)) : burst(first));
    if (${JSON.stringify(READ_AFTER)}.includes(i)) done.readings.push(rss());
  }
  return done;
}

function start() {
  warmUp();
  Sentry.init({
    integrations: [nodeProfilingIntegration({ chunkDurationMs: ${CHUNK_MS} })],
    defaultIntegrations: false,
    tracesSampleRate: 1,
    profileSessionSampleRate: 1,
    profileLifecycle: lifecycle,
  });
  if (lifecycle === 'manual') Sentry.profiler.startProfiler();
}

/** What the process has taken so far: time, CPU, and how often one of its threads began to wait. */
function taken() {
  const { userCPUTime, systemCPUTime, voluntaryContextSwitches } = process.resourceUsage();
  return { ms: performance.now(), cpuMs: (userCPUTime + systemCPUTime) / 1e3, switches: voluntaryContextSwitches };
}

const takenSince = before =>
  Object.fromEntries(Object.entries(taken()).map(([name, value]) => [name, value - before[name]]));

async function main() {
  try {
    // Other processes' time would count for the function that they interrupt.
    os.setPriority(os.constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Needs privileges.
  }
  const startWorker = index => new Worker(__filename, { workerData: { lifecycles, index } });
  const others = Array.from({ length: workers }, (_, index) => startWorker(index));
  const answers = () => Promise.all(others.map(async worker => (await once(worker, 'message'))[0]));
  const goOn = () => others.forEach(worker => worker.postMessage('go on'));
  const ready = answers();
  start();
  await ready;
  const before = taken();
  const results = answers();
  goOn();
  const threads = [await work(), ...(await results)];
  const bursts = takenSince(before);
  const rested = taken();
  await sleep(${QUIET_MS});
  console.log(JSON.stringify({ threads, bursts, quiet: takenSince(rested) }));
  goOn();
  await Sentry.close();
}

async function worker() {
  start();
  parentPort.postMessage('ready');
  await once(parentPort, 'message');
  const result = await work();
  parentPort.postMessage(result);
  // When all threads have been quiet for a while.
  await once(parentPort, 'message');
  await Sentry.close();
  parentPort.close();
}

isMainThread ? main() : worker();
`;

/** Runs the program. Returns what it printed, and the chunks. */
async function soak(t, { lifecycles, workers }) {
  const dir = project(t, { 'idle.mjs': PROGRAM });
  // Bundled, because each worker would otherwise load hundreds of files of the SDK.
  requireTool('esbuild').buildSync({
    absWorkingDir: dir,
    entryPoints: ['idle.mjs'],
    outfile: 'idle.cjs',
    bundle: true,
    platform: 'node',
    target: 'node18',
    external: ['sentry-profiler-node'],
    logLevel: 'error',
  });
  const ingest = await startIngest(t);
  const { stdout } = await run(join(dir, 'idle.cjs'), {
    args: [JSON.stringify({ lifecycles, workers })],
    flags: ['--expose-gc'],
    env: { SENTRY_DSN: ingest.dsn, ...PLAIN_MALLOC },
    timeout: BURSTS * (PAUSE_MS + 3_000) + 60_000,
  });
  return { ...JSON.parse(stdout), chunks: await ingest.chunks() };
}

const sum = values => values.reduce((total, value) => total + value, 0);
const whole = ({ early, late }) => early + late;

/** The chances of a sum being 0, 1 and so on. Each of its numbers, all independent, is given by its own chances. */
function chancesOfSum(numbers) {
  return numbers.reduce(
    (chances, number) => {
      const next = Array(chances.length + number.length - 1).fill(0);
      chances.forEach((chance, i) => number.forEach((ofNumber, j) => (next[i + j] += chance * ofNumber)));
      return next;
    },
    [1],
  );
}

/** The smallest number that is not too unlikely. */
function smallest(chances) {
  let left = UNLIKELY / 2;
  return chances.findIndex(chance => (left -= chance) < 0);
}

/**
 * The fewest and the most ticks in pieces of work at random moments. A piece of 2.3 intervals has two ticks, and with
 * a chance of 0.3 a third one.
 */
function ticksIn(lengths) {
  const intervals = lengths.map(ms => ms / INTERVAL_MS);
  const certain = sum(intervals.map(Math.floor));
  const chances = chancesOfSum(intervals.map(count => [1 - (count % 1), count % 1]));
  return { fewest: certain + smallest(chances), most: certain + chances.length - 1 - smallest(chances.toReversed()) };
}

/** How many more ticks one half of all pieces may have than the other. Of one piece it has one more at most. */
function mostDifference(pieces) {
  const chances = chancesOfSum(
    pieces.map(piece => {
      const rest = (whole(piece) / 2 / INTERVAL_MS) % 1;
      const oneMore = Math.min(rest, 1 - rest);
      return [oneMore, 1 - 2 * oneMore, oneMore];
    }),
  );
  return pieces.length - smallest(chances);
}

/** Whether a tick is at the time of a piece of work. */
function isDuring({ from, to }, { timestamp }) {
  return timestamp >= from - CLOCK_TOLERANCE_S && timestamp <= to + CLOCK_TOLERANCE_S;
}

/** The ticks of a chunk that are not idle: the function of a burst that they are in, if any, and their time. */
function ticksOf({ profile }) {
  return profile.samples.flatMap((sample, i) => {
    const functions = stackOf(profile, sample).map(frame => frame.function);
    if (functions.length === 0 || functions[0] === '(idle)') {
      return [];
    }
    const name = functions.find(name => /^(first|later)\d+(early|late)$/.test(name));
    const { timestamp } = sample;
    const ms = 1e3 * ((profile.samples[i + 1]?.timestamp ?? timestamp) - timestamp);
    return [{ name, timestamp, ms, thread: sample.thread_id }];
  });
}

/** What is wrong with the ticks in pieces of work, given those pieces. */
function misbilled(t, pieces, ticks) {
  const wrong = [];
  const check = (name, lengths) => {
    const own = ticks.filter(tick => tick.name.startsWith(name));
    const byTime = sum(own.map(({ ms }) => ms)) / INTERVAL_MS;
    const { fewest, most } = ticksIn(lengths);
    const [least, greatest] = [(1 - TOLERANCE) * fewest - LATE, (1 + TOLERANCE) * most + LATE];
    const expected = sum(lengths) / INTERVAL_MS;
    const said =
      `${name || 'all'}: ${own.length} ticks, by time ${byTime.toFixed(1)}, of ${expected.toFixed(1)}; ` +
      `right are ${Math.max(least, 0).toFixed(1)} to ${greatest.toFixed(1)}`;
    t.diagnostic(said);
    if ([own.length, byTime].some(count => count < least || count > greatest)) {
      wrong.push(said);
    }
  };
  check('', pieces.map(whole));
  for (const name of NAMES) {
    const own = pieces.filter(piece => piece.name === name);
    check(name, own.map(whole));
    if (!HALVED.includes(name)) {
      continue;
    }
    const [early, late] = ['early', 'late'].map(half => {
      const lengths = own.map(piece => piece[half]);
      check(name + half, lengths);
      return ticks.filter(tick => tick.name === name + half).length;
    });
    const most = mostDifference(own) + TOLERANCE * (early + late) + LATE;
    const said = `${name}: halves of ${early} and ${late} ticks; they may differ by ${most.toFixed(1)}`;
    t.diagnostic(said);
    if (Math.abs(early - late) > most) {
      wrong.push(said);
    }
  }
  return wrong;
}

function assertBilled(t, { threads, chunks, bursts }) {
  const ticks = chunks.flatMap(ticksOf);
  const others = sum(ticks.filter(({ name }) => !name).map(({ ms }) => ms)) / bursts.ms / threads.length;
  assert.ok(others < OTHERS, `${(100 * others).toFixed(1)} % of the time is neither of bursts nor idle`);
  const placed = threads.flatMap(({ threadId, pieces }) => {
    const own = ticks.filter(({ thread }) => thread === String(threadId));
    // Whatever they say was running: V8 does not always find the function.
    const unseen = pieces.filter(
      piece => whole(piece) > LOST_MS && !piece.interrupted && !own.some(tick => isDuring(piece, tick)),
    );
    assert.deepEqual(unseen, [], 'long pieces without a tick: a chunk is lost');
    const isIn = (piece, tick) => isDuring(piece, tick) && tick.name.startsWith(piece.name);
    const ofBursts = own.filter(({ name }) => name);
    return ofBursts.map(tick => ({ ...tick, piece: pieces.find(piece => isIn(piece, tick)) }));
  });
  const outside = placed.filter(({ piece }) => !piece);
  assert.deepEqual(outside, [], 'ticks outside the bursts');
  const pieces = threads.flatMap(({ pieces }) => pieces);
  const fair = pieces.filter(({ interrupted }) => !interrupted);
  t.diagnostic(`${fair.length} of ${pieces.length} pieces were not interrupted`);
  assert.ok(fair.length > pieces.length / 2, 'the machine is too busy');
  const fairTicks = placed.filter(({ piece }) => !piece.interrupted);
  assert.deepEqual(misbilled(t, fair, fairTicks), [], 'what is billed wrong');
}

function assertInOneLine({ threads, chunks }) {
  assert.equal(new Set(chunks.map(({ chunk_id }) => chunk_id)).size, chunks.length, 'no chunk comes twice');
  for (const { threadId } of threads) {
    const own = chunks.filter(({ profile }) => String(threadId) in profile.thread_metadata);
    assert.equal(new Set(own.map(({ profiler_id }) => profiler_id)).size, 1, 'a session for each thread');
    assert.ok(own.every(({ profile }) => profile.samples.every(({ thread_id }) => thread_id === String(threadId))));
    const overlaps = joints(own).filter(seconds => seconds <= 0);
    assert.deepEqual(overlaps, [], 'chunks that overlap');
  }
}

/**
 * While nothing runs, the threads sleep. Each is awake during its bursts and for a while after each of them, and where a
 * chunk ends: the SDK sends it then, and two seconds later it closes its connection.
 */
function assertAsleep(t, what, { threads, awakeMs }, { ms, cpuMs, switches }, wakings, wakingMs) {
  const chunks = Math.round(ms / CHUNK_MS);
  const tickingMs = wakings * wakingMs + (wakings + 2 * chunks) * awakeMs;
  const ticking = (tickingMs * SWITCHES_AWAKE + Math.max(ms - tickingMs, 0) * SWITCHES_ASLEEP) / 1e3;
  const allowed = threads.length * (ticking + (wakings + chunks) * SWITCHES_OF_WORK);
  const said = `${what}: ${switches} context switches in ${(ms / 1e3).toFixed(0)} s, ${allowed.toFixed(0)} allowed`;
  t.diagnostic(`${said}; ${cpuMs.toFixed(0)} ms of CPU`);
  assert.ok(switches < allowed, said);
}

describe('a service that is idle most of the time', { concurrency: CASES.length }, () => {
  for (const { name, awakeMs, ...options } of CASES) {
    test(name, t =>
      retryOnce(t, async () => {
        const result = { ...(await soak(t, options)), awakeMs };
        t.diagnostic(`${result.chunks.length} chunks, all valid`);
        assertInOneLine(result);
        assertBilled(t, result);
        assertFlat(t, result.threads[0].readings);
        // The last burst has just ended.
        assertAsleep(t, 'quiet', result, result.quiet, 1, 0);
        // Short pauses leave hardly any time to sleep.
        if (PAUSE_MS > 2 * awakeMs) {
          assertAsleep(t, 'bursts', result, result.bursts, BURSTS, BURST_MS);
        }
      }),
    );
  }
});
