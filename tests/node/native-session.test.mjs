// The add-on's session, which the integration uses.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import vm from 'node:vm';
import { ADDON } from './support/environment.mjs';
import { work } from './support/profile.mjs';

const { isolateTime, Session } = createRequire(import.meta.url)(ADDON);

const busy = new Function(`return ${work('busy')}`)();

const session = (options = {}) =>
  new Session({ lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main', ...options }, () => {});

/** How many chunks were handed out or dropped. */
const accountedFor = ({ delivered, dropped }) =>
  delivered + Object.values(dropped).reduce((sum, count) => sum + count, 0);

test('a closed session still has the counts of its chunks', () => {
  const closed = session();
  assert.equal(closed.start(), 'started');
  // Perhaps too short for two samples: the chunk is sent or dropped.
  const chunks = closed.close();
  const stats = closed.stats();
  assert.equal(accountedFor(stats), 1, JSON.stringify(stats));
  assert.equal(stats.delivered, chunks.length);
  assert.equal(closed.start(), 'closed');
  assert.deepEqual(closed.flush(1000), []);
  assert.deepEqual(closed.close(), []);
  assert.deepEqual(closed.stats(), stats);
});

test('a closed session can be garbage-collected, even if its callback refers to it', async () => {
  setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  const sessions = Array.from({ length: 20 }, () => {
    const state = {};
    const options = { lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main' };
    state.session = new Session(options, () => state.session.poll());
    state.session.close();
    return new WeakRef(state.session);
  });
  // Objects are not collected in the turn that made them.
  for (let i = 0; i < 10; i++) {
    await new Promise(resolve => setImmediate(resolve));
    gc();
  }
  // A reference to the last one may still be on the stack.
  const alive = sessions.filter(session => session.deref()).length;
  assert.ok(alive <= 1, `${alive} sessions are alive`);
});

test('every chunk is handed out once', () => {
  const recording = session();
  recording.start();
  const chunks = [];
  for (let i = 0; i < 3; i++) {
    busy(150);
    chunks.push(...recording.flush(5000));
  }
  busy(150);
  chunks.push(...recording.close());
  assert.ok(chunks.length >= 2, `${chunks.length} chunks`);
  assert.equal(new Set(chunks.map(({ chunkId }) => chunkId)).size, chunks.length);
  assert.equal(recording.stats().delivered, chunks.length);
  assert.equal(
    recording.stats().samples,
    chunks.reduce((sum, { sampleCount }) => sum + sampleCount, 0),
  );
});

test('isolateTime returns the time since the last call', () => {
  const recording = session();
  isolateTime();
  recording.start();
  busy(150);
  recording.close();
  const time = isolateTime();
  assert.ok(time.count >= 2 && time.totalMs > 0, JSON.stringify(time));
  assert.ok(time.medianMs <= time.p99Ms && time.p99Ms <= time.longestMs && time.longestMs <= time.totalMs);
  assert.ok(time.deletingMs > 0 && time.deletingMs < time.totalMs, JSON.stringify(time));
  // Nothing, or an interrupt that was on its way and had nothing to do.
  const again = isolateTime();
  assert.ok(again.count <= 1 && again.totalMs < time.totalMs && again.deletingMs === 0, JSON.stringify(again));
});

test('spans that start or end after their session was closed are harmless', () => {
  const recording = session({ lifecycle: 'trace' });
  const { started, ended } = recording.spanFunctions();
  started();
  busy(150);
  ended();
  ended();
  assert.equal(recording.close().length, 1);
  started();
  ended();
  assert.deepEqual(recording.close(), []);
});

test("debug ids are the object's own strings; anything else is ignored", () => {
  const recording = session();
  const file = '/app/with an id.js';
  const run = vm.runInThisContext('(busy => function work(ms) { busy(ms); return ms; })', { filename: file })(busy);
  recording.start();
  run(150);
  const id = '11111111-1111-4111-8111-111111111111';
  Object.prototype.inherited = 'by everything';
  try {
    recording.setDebugIds({ [file]: id, odd: undefined, number: 1, object: {}, [Symbol('symbol')]: id });
  } finally {
    delete Object.prototype.inherited;
  }
  const [{ payload }] = recording.close();
  const { debug_meta: debugMeta } = JSON.parse(Buffer.from(payload));
  assert.deepEqual(debugMeta.images, [{ type: 'sourcemap', code_file: file, debug_id: id }]);
});

test('an error names the wrong option', () => {
  for (const [options, message] of [
    [{ lifecycle: 'always' }, "lifecycle must be 'manual' or 'trace', got 'always'"],
    [{ sampleRate: 2 }, 'sampleRate must be a number from 0 to 1, got 2'],
    [{ sampleRate: NaN }, 'sampleRate must be a number from 0 to 1, got NaN'],
    [{ chunkDurationMs: 99 }, 'chunkDurationMs must be a number from 100 to 60000, got 99'],
    [{ chunkDurationMs: Infinity }, 'chunkDurationMs must be a number from 100 to 60000, got Infinity'],
    [{ quietMs: -1 }, 'quietMs must be a number of milliseconds, 0 or more, got -1'],
  ]) {
    assert.throws(() => session(options), { message, code: 'NAPI_ERROR' });
  }
});
