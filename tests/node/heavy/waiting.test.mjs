// The add-on's session in a program that blocks the event loop, and in one that stays idle.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import vm from 'node:vm';
import { ADDON } from '../support/environment.mjs';
import { work } from '../support/profile.mjs';

const { Session } = createRequire(import.meta.url)(ADDON);

const busy = new Function(`return ${work('busy')}`)();

const session = (options = {}) =>
  new Session({ lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main', ...options }, () => {});

test('a loop that never yields loses no chunk, however short they are', () => {
  const recording = session({ chunkDurationMs: 100 });
  recording.start();
  busy(4_000);
  const chunks = recording.close();
  const { dropped } = recording.stats();
  assert.equal(dropped.overflow, 0, JSON.stringify(dropped));
  assert.ok(chunks.length + dropped.tooShort >= 36, `${chunks.length} chunks of 100 ms in 4 s`);
});

test('what waits for a loop that never yields is bounded, and what is dropped is counted', () => {
  /** Runs for a while below 200 new functions in a file with a long name. */
  const unseen = generation => {
    const next = i => (i === 199 ? 'busy' : `f${i + 1}`);
    const calls = Array.from({ length: 200 }, (_, i) => `function f${i}(ms) { ${next(i)}(ms); return ms; }`);
    const filename = `/${'long/'.repeat(200)}${generation}.js`;
    return vm.runInThisContext(`(busy => { ${calls.join('\n')} return f0; })`, { filename })(busy);
  };
  const recording = session({ chunkDurationMs: 200 });
  recording.start();
  let generation = 0;
  const overflow = () => recording.stats().dropped.overflow;
  for (const end = Date.now() + 60_000; overflow() === 0 && Date.now() < end; ) {
    unseen(generation++)(12);
  }
  const chunks = recording.close();
  const bytes = chunks.reduce((sum, { payload }) => sum + payload.byteLength, 0);
  assert.ok(overflow() > 0, `${bytes} bytes after ${generation} files`);
  assert.ok(bytes <= 64 << 20, `${bytes} bytes`);
  assert.ok(bytes >= 40 << 20, `${bytes} bytes in ${chunks.length} chunks are not much`);
  assert.equal(recording.stats().delivered, chunks.length + overflow());
});

test('V8 stops sampling when the chunk of the last span is full, even with a long quietMs', async () => {
  // While something records, there is a thread that reads CPU and memory.
  const measures = () =>
    readdirSync('/proc/self/task').some(id => {
      try {
        return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === 'sentry-ticker';
      } catch {
        // The thread has ended meanwhile.
        return false;
      }
    });
  const recording = session({ lifecycle: 'trace', chunkDurationMs: 300, quietMs: 3_600_000 });
  const { started, ended } = recording.spanFunctions();
  started();
  busy(100);
  ended();
  assert.ok(measures());
  for (const end = Date.now() + 20_000; measures() && Date.now() < end; ) {
    await sleep(50);
  }
  assert.ok(!measures(), 'V8 samples on');
  assert.equal(recording.close().length, 1);
});
