// Random calls of the exports of the add-on and of the package on one thread, with checks of the results.

'use strict';

const assert = require('node:assert/strict');
const { join } = require('node:path');
const { threadId } = require('node:worker_threads');
const { OnPurpose, anything, createRandom, spoiled } = require('./values.cjs');

const OUTCOMES = [
  'started',
  'stopped',
  'already-running',
  'not-running',
  'not-sampled',
  'trace-lifecycle',
  'no-thread',
  'closed',
];
const FORMATS = ['chunk', 'thread', 'cpuprofile', 'pprof', 'folded', 'flamegraph', 'html', 'markdown'];
const SPAN = { isRecording: () => true };

/** Works long enough for some samples. */
function work(ms) {
  const end = Date.now() + ms;
  let sum = 0;
  do {
    for (let i = 0; i < 1000; i++) sum += Math.sqrt(i);
  } while (Date.now() < end);
  return sum;
}

const JAVASCRIPT = [
  () => work(5),
  () => work(20),
  () => [3, 1, 2].sort(() => work(1)),
  () => JSON.parse(JSON.stringify(Array.from({ length: 5000 }, (_, i) => ({ i })))),
  () => {
    const deeper = () => 1 + deeper();
    assert.throws(deeper, RangeError);
  },
  () => {
    for (let i = 0; i < 50; i++) new Function(`return function f${i}() {}`)()();
  },
  () =>
    ({
      ['odd\u{1f980}";\n']() {
        work(3);
      },
    })['odd\u{1f980}";\n'](),
  () => (0, eval)('(function evaluated() { const end = Date.now() + 5; while (Date.now() < end); })()'),
  () => globalThis.gc?.(),
  () => queueMicrotask(() => work(2)),
];

/** A client as the integration sees it, with random options. */
class Client {
  hooks = new Map();
  received = [];

  constructor(random) {
    this.random = random;
    const lifecycle = random.of(['manual', 'trace']);
    this.options = { profileSessionSampleRate: 1, profileLifecycle: lifecycle, release: 'r', environment: 'e' };
    if (random.oneIn(4)) {
      const option = random.of(Object.keys(this.options));
      this.options = { ...this.options, [option]: random.of([undefined, 0.5, 7, NaN, 'auto', null]) };
    }
    if (random.oneIn(3)) this.options.tunnel = '/tunnel';
    this.options.stackParser = anything(random);
  }

  getOptions = () => this.options;
  getSdkMetadata = () => this.random.of([undefined, {}, { sdk: { name: 'sdk', version: '11.0.0' } }]);
  getDsn = () => ({ protocol: 'http', publicKey: 'k', host: 'localhost', projectId: '1' });
  getTransport = () => this.transport;
  recordDroppedEvent = () => {};

  transport = {
    send: ([, [[header, payload]]]) => {
      assert.equal(header.type, 'profile_chunk');
      checkChunk(payload);
      if (this.random.oneIn(10)) throw new OnPurpose('on purpose');
      return this.random.oneIn(10) ? Promise.reject(new OnPurpose('on purpose')) : Promise.resolve({});
    },
  };

  on(hook, callback) {
    const callbacks = this.hooks.get(hook) ?? new Set();
    this.hooks.set(hook, callbacks.add(callback));
    return () => callbacks.delete(callback);
  }

  emit(hook, argument) {
    [...(this.hooks.get(hook) ?? [])].forEach(callback => callback(argument));
  }
}

/** Checks that a profile's indices are in range and its samples are in order. */
function checkProfile({ samples, stacks, frames }, time) {
  assert.ok(frames.every(frame => typeof frame.function === 'string' && frame.function !== ''));
  assert.ok(stacks.flat().every(frame => Number.isInteger(frame) && frame >= 0 && frame < frames.length));
  assert.ok(samples.every(sample => sample.stack_id in stacks));
  const times = samples.map(time);
  assert.ok(times.every((at, i) => Number.isFinite(at) && (i === 0 || at >= times[i - 1])));
}

function checkChunk(payload) {
  assert.ok(payload instanceof Uint8Array);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
  const { version, chunk_id, profiler_id, profile } = JSON.parse(text);
  assert.equal(version, '2');
  assert.match(chunk_id + profiler_id, /^[0-9a-f]{64}$/);
  assert.ok(profile.samples.length >= 2);
  checkProfile(profile, ({ timestamp }) => timestamp);
  return profiler_id;
}

/** Checks what a recording was encoded as. */
function checkEncoded({ text, bytes, error }, format) {
  assert.equal(error, undefined, format);
  if (format === 'pprof') {
    assert.deepEqual([...bytes.subarray(0, 2)], [0x1f, 0x8b]);
  } else if (['chunk', 'thread', 'cpuprofile'].includes(format)) {
    JSON.parse(text);
  } else {
    assert.equal(typeof text, 'string');
  }
}

/**
 * The calls of one thread. `record(line)` is called before each; `act()` makes one. Files are written to `folder`.
 */
function createSurface({ seed, addonFile, packageDir, folder, record }) {
  const random = createRandom(seed);
  const addon = require(addonFile);
  const library = require(packageDir);
  const titles = new Set();
  const chunkIds = new Set();
  const integrations = [];
  let sessions = [];
  const seen = { calls: 0, chunks: 0, profiles: 0, ready: 0 };
  const journal = { isOpen: false, count: 0 };

  /** Makes a call, which must return or throw either one of our errors or `OnPurpose`. */
  function attempt(name, call) {
    seen.calls += 1;
    record(name);
    try {
      return { value: call() };
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.ok(error instanceof Error, `${name} threw ${typeof error}`);
      assert.doesNotMatch(error.message, /panic|bug in it/i, name);
      return { error };
    }
  }

  const some = (good, count = 6) => (random.oneIn(count) ? anything(random) : good);
  const title = () => random.of(['one', 'two', 'ä', '\0', 'x'.repeat(300), 'three']);

  function start(module) {
    const name = some(title());
    const { error } = attempt('startProfiling', () => module.startProfiling(name));
    const good = typeof name === 'string' && name !== '';
    assert.equal(error === undefined, good, 'startProfiling');
    if (good) titles.add(name.toWellFormed?.() ?? name);
  }

  function stop(module) {
    const name = some(title());
    let args = [some(random.below(2)), some(random.below(3)), ...(random.oneIn(2) ? [some(true, 2)] : [])];
    if (module === library && random.oneIn(2)) {
      const format = random.of(['thread', 'chunk', undefined, 'other']);
      args = [some({ format, threadId: some(1, 20), collectResources: random.oneIn(2) })];
    }
    const { error, value } = attempt('stopProfiling', () => module.stopProfiling(name, ...args));
    if (typeof name !== 'string' || name === '') {
      assert.ok(error, 'stopProfiling');
    } else if (error === undefined) {
      assert.equal(value != null, titles.delete(name.toWellFormed?.() ?? name), 'stopProfiling');
    } else {
      // The call may have failed before or after it took the recording.
      titles.delete(name.toWellFormed?.() ?? name);
      attempt('stopProfiling', () => addon.stopProfiling(name, 1, 0));
    }
    if (value) {
      seen.profiles += 1;
      checkProfile(value, sample => sample.timestamp ?? Number(sample.elapsed_since_start_ns));
    }
  }

  const wellFormed = name => name.toWellFormed?.() ?? name;

  function startRecording() {
    const name = some(title());
    const good = { intervalUs: random.of([undefined, 1_000, 10_101]), maxSamples: random.of([undefined, 2, 50]) };
    const options = random.oneIn(6) ? spoiled(random, good) : good;
    const { error } = attempt('startRecording', () => addon.startRecording(name, options));
    if (error === undefined) {
      assert.ok(typeof name === 'string' && name !== '', 'startRecording');
      titles.add(wellFormed(name));
    }
  }

  function stopRecording() {
    const name = some(title());
    const format = random.of(FORMATS);
    const good = { format, threadId: 0, threadName: 'main', collectResources: random.oneIn(2) };
    const isGood = !random.oneIn(6);
    const method = random.of(['stopRecording', 'stopRecordingAsync']);
    const { error, value } = attempt(method, () => addon[method](name, isGood ? good : spoiled(random, good)));
    // What is wrong is said before a recording ends.
    if (error !== undefined) return;
    assert.equal(value !== null, titles.delete(wellFormed(name)), method);
    if (value === null || !isGood) return;
    seen.profiles += 1;
    if (method === 'stopRecording') {
      checkEncoded(value, format);
    } else {
      value.then(encoded => checkEncoded(encoded, format));
    }
  }

  function useJournal() {
    const mapOf = some(() => random.of([undefined, '{}', null, 5, { toString: () => '{}' }]));
    switch (random.below(4)) {
      case 0: {
        const good = join(folder, `${threadId}-${journal.count++}.journal`);
        const file = some(good, 4) === good ? good : random.of(['/no/such/folder/x', '', 7, undefined]);
        const { error } = attempt('startJournal', () => addon.startJournal(file, '{}', {}));
        assert.equal(error === undefined, file === good && !journal.isOpen, error?.message);
        journal.isOpen ||= file === good;
        break;
      }
      case 1:
        attempt('startJournal', () => addon.startJournal(folder, anything(random), anything(random)));
        break;
      case 2:
        attempt('journalMaps', () => addon.journalMaps(mapOf));
        break;
      default:
        if (attempt('finishJournal', () => addon.finishJournal(some('null'), mapOf)).error === undefined) {
          journal.isOpen = false;
        }
    }
  }

  function newSession() {
    if (sessions.length >= 5) return;
    const lifecycle = random.of(['manual', 'trace']);
    const good = {
      lifecycle,
      sampleRate: random.of([1, 1, 1, 0]),
      chunkDurationMs: random.of([100, 200, 500]),
      quietMs: random.of([undefined, 0, 50, 1000]),
      threadId: '0',
      threadName: 'main',
      release: random.of([undefined, 'r']),
    };
    const fine = !random.oneIn(4);
    const options = fine ? good : random.oneIn(4) ? anything(random) : spoiled(random, good);
    const state = { lifecycle, recording: false, closed: false, last: undefined, ready: 0 };
    const onReady = () => {
      seen.ready += 1;
      if (!state.session) return;
      take(
        state,
        attempt('poll in onReady', () => state.session.poll()),
      );
      // A random call as the last one of a turn.
      if (random.oneIn(4)) act();
    };
    const { error, value } = attempt('new Session', () => new addon.Session(options, fine ? onReady : some(onReady)));
    assert.ok(!fine || value, error?.message);
    if (!value) return;
    if (!fine) {
      // With odd options anything may be recorded, but closing must work.
      attempt('close', () => value.close());
      return;
    }
    assert.match(value.profilerId, /^[0-9a-f]{32}$/);
    assert.equal(value.sampled, good.sampleRate === 1);
    const spans = value.spanFunctions();
    sessions.push(Object.assign(state, { session: value, spans, count: 0 }));
  }

  function take(state, { error, value }) {
    assert.ok(Array.isArray(value), error?.message);
    for (const { chunkId, payload, sampleCount } of value) {
      assert.match(chunkId, /^[0-9a-f]{32}$/);
      assert.ok(!chunkIds.has(chunkId), 'no chunk comes twice');
      chunkIds.add(chunkId);
      assert.ok(sampleCount >= 2);
      assert.equal(checkChunk(payload), state.session.profilerId);
      seen.chunks += 1;
    }
  }

  function useSession() {
    const state = random.of(sessions);
    if (!state) return;
    const { session, spans, lifecycle } = state;
    const expect = (name, outcome) => {
      const { error, value } = attempt(name, () => session[name]());
      assert.ok(OUTCOMES.includes(value), error?.message);
      const spansRule = lifecycle === 'trace' ? 'trace-lifecycle' : outcome;
      assert.equal(value, state.closed ? 'closed' : session.sampled ? spansRule : 'not-sampled', name);
      return value === 'started' || value === 'stopped';
    };
    switch (random.below(14)) {
      case 0:
      case 1:
        if (expect('start', state.recording ? 'already-running' : 'started')) state.recording = true;
        break;
      case 2:
        if (expect('stop', state.recording ? 'stopped' : 'not-running')) state.recording = false;
        break;
      case 3:
      case 4:
        assert.deepEqual(
          attempt('spanStarted', () => spans.started(some(undefined))),
          { value: undefined },
        );
        break;
      case 5:
      case 6:
        assert.deepEqual(
          attempt('spanEnded', () => spans.ended.call(some(), some())),
          { value: undefined },
        );
        break;
      case 7: {
        const ids = some({ '/a.js': 'id' }, 2);
        attempt('setDebugIds', () => session.setDebugIds(ids));
        break;
      }
      case 8:
        take(
          state,
          attempt('poll', () => session.poll()),
        );
        break;
      case 9: {
        const timeout = some(random.of([0, 1, 5000, Number.MAX_VALUE, Infinity]), 3);
        const flushed = attempt('flush', () => session.flush(timeout));
        if (flushed.value) take(state, flushed);
        break;
      }
      case 10:
        take(
          state,
          attempt('finish', () => session.finish()),
        );
        state.recording = false;
        break;
      case 11:
        if (random.oneIn(3)) {
          take(
            state,
            attempt('close', () => session.close()),
          );
          state.closed = true;
          // A closed session may be used for a while before it is collected.
          if (random.oneIn(2)) sessions = sessions.filter(other => other !== state);
        } else if (random.oneIn(20)) {
          // Let an open session be collected.
          sessions = sessions.filter(other => other !== state);
        }
        break;
      default: {
        const { value } = attempt('stats', () => session.stats());
        const { delivered, samples, dropped } = value;
        const now = [delivered, samples, dropped.tooShort, dropped.overflow, dropped.slices];
        const grows = now.every((count, i) => Number.isInteger(count) && count >= (state.last?.[i] ?? 0));
        assert.ok(grows, `${state.last}, then ${now}`);
        state.last = now;
      }
    }
  }

  /** Calls methods and getters on other objects, and classes in wrong ways. */
  function misuse() {
    const { Session } = addon;
    const receiver = random.of([
      () => anything(random),
      () => Object.create(random.of(sessions)?.session ?? null),
      () => new Proxy(random.of(sessions)?.session ?? {}, {}),
      () => Session.prototype,
    ])();
    switch (random.below(4)) {
      case 0: {
        const name = random.of(Object.getOwnPropertyNames(Session.prototype));
        const { get, value } = Object.getOwnPropertyDescriptor(Session.prototype, name);
        // Called as a function, a constructor refuses.
        attempt(`${name} of another`, () => (get ?? value).call(receiver, anything(random), anything(random)));
        break;
      }
      case 1:
        attempt('Session without new', () => Session(anything(random), anything(random)));
        break;
      case 2: {
        const target = some(class extends Session {}, 3);
        attempt('construct', () => Reflect.construct(Session, [anything(random), anything(random)], target));
        break;
      }
      default: {
        const name = random.of(Object.keys(addon));
        const args = Array.from({ length: random.below(6) }, () => anything(random));
        // Nothing would stop what these record under odd titles.
        if (/^st(art|op)|^makeReports/.test(name)) break;
        const { error } = attempt(name, () => addon[name].apply(anything(random), args));
        if (name === 'finishJournal' && error === undefined) journal.isOpen = false;
      }
    }
  }

  function useIntegration() {
    if (integrations.length < 2) {
      const tuning = some({ chunkDurationMs: random.of([100, 300]), quietMs: random.of([0, 50, 1000]) });
      const client = new Client(random);
      const { value } = attempt('nodeProfilingIntegration', () => library.nodeProfilingIntegration(tuning));
      if (!value) return;
      assert.equal(value.name, 'ProfilingIntegration');
      const { error } = attempt('setup', () => value.setup(client));
      // A tuning whose getters throw makes the call itself throw.
      if (!error) integrations.push({ integration: value, client, spans: [] });
      return;
    }
    // Set by bundler plugins, or by anything else.
    if (random.oneIn(10)) globalThis._sentryDebugIds = anything(random);
    const used = random.of(integrations);
    const { integration, client, spans } = used;
    const hooked = (name, argument) => {
      const { error } = attempt(name, () => client.emit(name, argument));
      // Hooks must never throw into the service.
      assert.equal(error, undefined, `${name}: ${error?.stack}`);
    };
    switch (random.below(10)) {
      case 0:
        assert.deepEqual(
          attempt('startProfiler', () => integration._profiler.start()),
          { value: undefined },
        );
        break;
      case 1:
        assert.deepEqual(
          attempt('stopProfiler', () => integration._profiler.stop()),
          { value: undefined },
        );
        break;
      case 2:
      case 3: {
        const span = { ...SPAN };
        spans.push(span);
        hooked('spanStart', span);
        break;
      }
      case 4:
      case 5:
        hooked('spanEnd', random.oneIn(10) ? { ...SPAN } : (spans.pop() ?? { ...SPAN }));
        break;
      case 6:
        hooked('preprocessEvent', { contexts: random.of([undefined, {}, { profile: {} }]) });
        hooked('beforeSendEvent', { contexts: random.of([undefined, { profile: {}, trace: {} }]), spans: [{}] });
        break;
      case 7:
        hooked('processSpan', random.of([{}, { attributes: { 'thread.id': '7' } }]));
        break;
      case 8:
        hooked('flush');
        break;
      default:
        if (random.oneIn(4)) {
          hooked('close');
          integrations.splice(integrations.indexOf(used), 1);
        }
    }
  }

  function act() {
    switch (random.below(19)) {
      case 0:
      case 1:
        return start(random.of([addon, library]));
      case 2:
      case 3:
        return stop(random.of([addon, library]));
      case 4:
        return newSession();
      case 5:
      case 6:
      case 7:
      case 8:
        return useSession();
      case 9:
        return misuse();
      case 10:
      case 11:
        return useIntegration();
      case 12: {
        const path = some('/srv/app.js');
        const { error, value } = attempt('getFrameModule', () => random.of([addon, library]).getFrameModule(path));
        assert.equal(typeof (typeof path === 'string' ? value : error?.message), 'string');
        return undefined;
      }
      case 13:
        return startRecording();
      case 14:
        return stopRecording();
      case 15:
        return useJournal();
      case 16:
        assert.equal(library.profilerSupport().supported, true);
        assert.equal(addon.support().reason, null);
        assert.ok(addon.isolateTime().count >= 0);
        return undefined;
      default:
        record('JavaScript');
        return void random.of(JAVASCRIPT)();
    }
  }

  /** Ends everything that records. */
  function end() {
    for (const name of titles) attempt('stopProfiling', () => addon.stopProfiling(name, 0, 0));
    titles.clear();
    attempt('finishJournal', () => addon.finishJournal('null', () => undefined));
    for (const state of sessions.splice(0))
      take(
        state,
        attempt('close', () => state.session.close()),
      );
    for (const { client } of integrations.splice(0)) client.emit('close');
  }

  return { act, end, random, seen };
}

module.exports = { createSurface, work };
