// Random calls of the add-on and of the package, in child processes: nothing crashes, hangs, panics or leaks.
//
// SENTRY_PROFILER_FUZZ_SEED sets the seed. A failure's message has the command that repeats its process.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ADDON, PACKAGE } from '../support/environment.mjs';
import { run } from '../support/service.mjs';

const PROGRAM = fileURLToPath(new URL('program.cjs', import.meta.url));
const SEED = Number(process.env.SENTRY_PROFILER_FUZZ_SEED ?? Date.now() % 2 ** 32);
const SECONDS = Number(process.env.SENTRY_PROFILER_FUZZ_SECONDS ?? 15);
const MIB = 2 ** 20;

/** The last calls of each thread of a process. */
function lastCalls(folder) {
  const threads = readdirSync(folder).filter(name => name.startsWith('thread-'));
  return threads.map(name => {
    const lines = readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter(line => /^ *\d+ /.test(line));
    return `${name}:\n${lines.sort().slice(-25).join('\n')}`;
  });
}

/** Runs the program and returns what it printed. It must exit with this code and without a Rust panic. */
async function fuzz(t, mode, seed, seconds, { code = 0 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sentry-profiler-fuzz-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const args = [mode, seed, seconds, ADDON, PACKAGE, folder].map(String);
  try {
    const timeout = 1000 * (seconds + 60);
    const { stdout, stderr } = await run(PROGRAM, { args, flags: ['--expose-gc'], code, timeout });
    assert.doesNotMatch(stderr, /panicked|FATAL ERROR|Check failed/);
    return stdout;
  } catch (error) {
    const again = [process.execPath, '--expose-gc', PROGRAM, ...args].map(word => JSON.stringify(word)).join(' ');
    error.message += `\n--- run it again: ${again}\n--- last calls\n${lastCalls(folder).join('\n')}`;
    throw error;
  }
}

/**
 * Fails if memory keeps growing: the second half of the run may add no more than `breath`, by which the heaps of V8's
 * workers and of the allocator vary. The largest step is not counted: those heaps grow by steps, and a leak grows all
 * the time. Each second makes more than 20 profiles of at least 50 kB, so if they leaked, they would exceed that within
 * a minute. The sanitizers find smaller leaks in the same core.
 */
function assertBounded(t, readings, breath) {
  const mib = readings.map(bytes => bytes / MIB);
  const shown = mib.map(value => value.toFixed(0)).join(' ');
  t.diagnostic(`held memory in MiB: ${shown}`);
  const steps = mib.slice(1).map((value, i) => value - mib[i]);
  const late = steps.slice(steps.length >> 1).sort((a, b) => a - b);
  const growth = late.slice(0, -1).reduce((sum, step) => sum + step, 0);
  assert.ok(growth <= breath, `held memory keeps growing, in MiB: ${shown}`);
}

describe(`fuzz with seed ${SEED}`, { concurrency: 3 }, () => {
  test('the main thread', async t => {
    const { readings, ...seen } = JSON.parse(await fuzz(t, 'main', SEED, SECONDS));
    t.diagnostic(JSON.stringify(seen));
    assert.ok(seen.profiles > 0 && seen.chunks > 0 && seen.ready > 0);
    assertBounded(t, readings, 32);
  });

  test('workers that come and go', async t => {
    const { readings, ...seen } = JSON.parse(await fuzz(t, 'workers', SEED, SECONDS));
    t.diagnostic(JSON.stringify(seen));
    assert.ok(Object.keys(seen.ended).length > 0);
    assertBounded(t, readings, 64);
  });

  test('processes that end in every way', async t => {
    const ends = JSON.parse(await fuzz(t, 'ends', 0, 0));
    const until = Date.now() + 1000 * SECONDS;
    let count = 0;
    do {
      for (const { name, code } of ends) {
        await fuzz(t, name, SEED + count, 0.2, { code });
        count += 1;
      }
    } while (Date.now() < until);
    t.diagnostic(`${count} processes`);
  });
});
