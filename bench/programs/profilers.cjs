'use strict';
// The compared profilers behind one interface, each used as in production up to the bytes that are sent. `start()`
// records; `stop()` ends the recording and resolves to the bytes; `timed` measures everything that they do on this
// thread. `onThread(isolateTime)` is the time that one recording took on this thread, ms, if it is known.

const { createRequire } = require('node:module');
const { readFileSync, readdirSync } = require('node:fs');
const { join } = require('node:path');
const { promisify } = require('node:util');

/** The folder with the peers' node_modules, and our add-on's file. */
const { BENCH_PEERS, BENCH_ADDON } = process.env;
const CHUNK_FORMAT = 1;
const requirePeer = createRequire(join(BENCH_PEERS, 'package.json'));

/** The durations of a profiler's work on this thread, ms, by kind. */
const blocks = { start: [], stop: [], deliver: [] };
const sum = values => values.reduce((total, value) => total + value, 0);
const median = values => percentile(values, 0.5);
/** The smallest value such that this share of the values is not above it. */
const percentile = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)];

/** The total time of a profiler's calls, ms. */
const called = () => sum(Object.values(blocks).flat());

/** The CPU time of our profiler's own threads, ms. */
function ownThreadsMs() {
  const threads = readdirSync('/proc/self/task').map(id => `/proc/self/task/${id}`);
  const own = threads.filter(thread => readFileSync(`${thread}/comm`, 'utf8').startsWith('sentry-'));
  return sum(own.map(thread => Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6));
}

function timed(name, work) {
  const begin = performance.now();
  try {
    return work();
  } finally {
    blocks[name].push(performance.now() - begin);
  }
}

const { createEnvelope, serializeEnvelope } = requirePeer('@sentry/core');

/** What the SDK's transport does with a chunk before it is sent. */
function serialize(payload) {
  const header = { event_id: '0'.repeat(32), sent_at: new Date().toISOString() };
  const bytes = serializeEnvelope(createEnvelope(header, [[{ type: 'profile_chunk', platform: 'node' }, payload]]));
  return typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
}

/** A service's transport has sent events before the first chunk. */
function warmUp() {
  for (let i = 0; i < 20; i++) [{ text: 'event' }, new Uint8Array(100)].forEach(serialize);
}

/** The chunk that the SDK makes from the result of `stopProfiling`. */
function chunk({ samples, stacks, frames, measurements }) {
  return {
    chunk_id: '0'.repeat(32),
    client_sdk: { name: 'sentry.javascript.node', version: '11.1.0' },
    platform: 'node',
    version: '2',
    release: '1',
    environment: 'production',
    measurements,
    profiler_id: '0'.repeat(32),
    debug_meta: { images: [] },
    profile: { samples, stacks, frames, thread_metadata: { 0: { name: 'main' } } },
  };
}

/** A profiler with the two functions of `@sentry/node-cpu-profiler`. */
function native(load) {
  let addon;
  return {
    load: () => (addon = load()),
    start: () => timed('start', () => addon.startProfiling('bench')),
    async stop() {
      const profile = timed('stop', () => addon.stopProfiling('bench', CHUNK_FORMAT, 0));
      return timed('deliver', () => serialize(chunk(profile)));
    },
    isolateTime: () => addon.isolateTime?.(),
    // Ours also works in interrupts. Its add-on measures those and most of the calls, but not the conversion to
    // JavaScript objects, so no sum would be right.
    onThread: isolate => (isolate ? undefined : called()),
  };
}

/** Our session, as our integration uses it. */
function session(options = {}) {
  let addon;
  let session;
  let received;
  const onReady = () => {
    const chunks = timed('deliver', () => session.poll().map(({ payload }) => serialize(payload)));
    received?.(chunks);
  };
  return {
    load() {
      addon = require(BENCH_ADDON);
      session = new addon.Session(
        { lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main', ...options },
        onReady,
      );
    },
    start: () => timed('start', () => session.start()),
    /** Runs a function as a span, which is recorded in the trace lifecycle. */
    span(run) {
      const { started, ended } = session.spanFunctions();
      started();
      run();
      ended();
    },
    async stop() {
      // The session does not keep the process alive.
      const alive = setInterval(() => {}, 1_000);
      const chunks = new Promise(resolve => (received = resolve));
      timed('stop', () => session.stop());
      const [bytes] = await chunks;
      clearInterval(alive);
      return bytes;
    },
    isolateTime: () => addon.isolateTime(),
    onThread: isolate => isolate.totalMs + sum([...blocks.start, ...blocks.deliver]),
  };
}

function inspector() {
  let session;
  let post;
  return {
    load() {
      const { Session } = require('node:inspector');
      session = new Session();
      session.connect();
      post = (method, params) => {
        let answer;
        session.post(method, params, (error, result) => {
          if (error) throw new Error(error.message);
          answer = result;
        });
        return answer;
      };
      return session;
    },
    start: () =>
      timed('start', () => {
        post('Profiler.enable');
        post('Profiler.setSamplingInterval', { interval: 10_101 });
        post('Profiler.start');
      }),
    async stop() {
      const { profile } = timed('stop', () => post('Profiler.stop'));
      return timed('deliver', () => Buffer.from(JSON.stringify(profile)));
    },
    isolateTime: () => undefined,
    onThread: called,
  };
}

function datadog() {
  let pprof;
  return {
    load: () => (pprof = requirePeer('@datadog/pprof')),
    start: () => timed('start', () => pprof.time.start({ intervalMicros: 10_101, durationMillis: 60_000 })),
    async stop() {
      const profile = timed('stop', () => pprof.time.stop());
      // The profile is encoded on this thread, then compressed on another one.
      const begin = performance.now();
      const encoded = pprof.encode(profile);
      blocks.deliver.push(performance.now() - begin);
      return promisify(require('node:zlib').gunzip)(await encoded);
    },
    isolateTime: () => undefined,
    onThread: called,
  };
}

const idle = load => ({
  load,
  start() {},
  span: run => run(),
  stop: async () => undefined,
  isolateTime: () => undefined,
  onThread: () => undefined,
});

const loadPeer = () => requirePeer('@sentry/node-cpu-profiler').CpuProfilerBindings;

const PROFILERS = {
  none: () => idle(() => {}),
  'ours, idle': () => idle(session().load),
  'ours, lazy': () => idle(session().load),
  ours: session,
  'ours, native': () => native(() => require(BENCH_ADDON)),
  peer: () => native(loadPeer),
  'peer, idle': () => idle(loadPeer),
  datadog,
  inspector,
};

module.exports = { PROFILERS, blocks, median, ownThreadsMs, percentile, sum, warmUp };
