// The time of every function is the number of its ticks times the interval, for work of any length: spans shorter than an interval
// with short and long pauses between them, with and without a flush after each, in both lifecycles, and short recordings.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ADDON } from './support/environment.mjs';
import { run } from './support/service.mjs';

const PROGRAM = fileURLToPath(new URL('support/accuracy.cjs', import.meta.url));
const INTERVAL_MS = 10.101;
/** What is expected of each length of spans in a run. */
const TICKS = 300;
/** Of the time that was spent. */
const TOLERANCE = 0.15;
/** The same for a crowd of threads, which keep each other, and the one that asks for first ticks, from the cores. */
const TOLERANCE_OF_CROWD = 0.25;
/** The ratio of halves is a matter of chance too: so many standard deviations are granted to it. */
const DEVIATIONS = 2.5;
/** An inspector session that is off by as much says that the machine is busy: what it saw is right, too. */
const BUSY = 0.1;
/** By as much, that little can be told. */
const TOO_BUSY = 0.25;
/** A machine that is busy with something else keeps V8's thread from ticking, and the program from working. */
const TRIES = 4;
const TIMEOUT_MS = 150_000;

const lengthsIn = ({ spent }) => Object.keys(spent).filter(name => name.startsWith('late') && spent[name] > 0).map(name => name.slice(4));

/** What is wrong with what was billed, if anything, after it was told. */
function judge(t, results, tolerated) {
  const wrong = [];
  const sum = (key, name) => results.reduce((sum, result) => sum + result[key][name], 0);
  for (const ms of lengthsIn(results[0])) {
    const both = key => sum(key, `early${ms}`) + sum(key, `late${ms}`);
    const ratio = key => sum(key, `early${ms}`) / sum(key, `late${ms}`);
    const [spent, billed, ticks] = ['spent', 'billed', 'ticks'].map(both);
    // What the machine keeps from V8's thread, and from the program, it keeps from an inspector session, too.
    const seen = (both('inspected') * INTERVAL_MS) / both('watched');
    const off = Math.abs(seen - 1);
    const least = off > BUSY ? Math.min(1, seen) : 1;
    const most = off > BUSY ? Math.max(1, seen) : 1;
    const tolerance = off > TOO_BUSY ? 2 * tolerated : tolerated;
    const byTime = billed / spent;
    const byTicks = (ticks * INTERVAL_MS) / spent;
    const isRight = share => share > least * (1 - tolerance) && share < most * (1 + tolerance);
    const halves = ratio('billed') / ratio('spent');
    const percent = share => `${(100 * share).toFixed(0)} %`;
    const said =
      `${ms} ms: ${ticks} ticks bill ${percent(byTime)} by time, ${percent(byTicks)} by number ` +
      `(an inspector session saw ${percent(seen)}); halves ${halves.toFixed(2)} : 1`;
    t.diagnostic(said);
    // The ratio of two counts is off by this much in one case of three.
    const chance = 2 / Math.sqrt(ticks || 1);
    const isEven = Math.abs(Math.log(halves)) < tolerance + DEVIATIONS * chance;
    if (!isRight(byTime) || !isRight(byTicks) || !isEven) {
      wrong.push(said);
    }
  }
  return wrong;
}

/** Runs the program until what it bills is what it spent; what earlier tries found counts too, so that chance has less to say. */
async function measure(t, mode, { tolerance = TOLERANCE, ...options }) {
  const results = [];
  let wrong;
  do {
    const { stdout } = await run(PROGRAM, {
      args: [mode, JSON.stringify({ addon: ADDON, ticks: TICKS, ...options })],
      timeout: TIMEOUT_MS,
    });
    results.push(JSON.parse(stdout));
    const { functions } = results.at(-1);
    const ours = functions.filter(name => /profiling|session|wake|flush|span(started|ended)|stats/i.test(name));
    assert.deepEqual(ours, [], 'functions of the profiler');
    // The last one alone may be right where a stall of the machine spoilt the first.
    wrong = judge(t, results, tolerance);
    if (wrong.length > 0 && results.length > 1) {
      wrong = judge(t, results.slice(-1), tolerance);
    }
  } while (wrong.length > 0 && results.length < TRIES);
  assert.deepEqual(wrong, []);
}

const skip = process.versions.node.startsWith('18.') && 'it takes minutes, and V8 samples as in Node 20';

// Alone, and few: workers that wait for a core are billed what they waited for. Half of the ticks, because it takes a minute as it is.
test('spans with long pauses', { skip }, t => measure(t, 'crowd', { workers: 24, ticks: TICKS / 2, tolerance: TOLERANCE_OF_CROWD }));

describe('accuracy', { skip }, () => {
  for (const lifecycle of ['trace', 'manual']) {
    for (const flush of [false, true]) {
      test(`spans with short pauses, ${lifecycle}${flush ? ', a flush after each' : ''}`, t =>
        measure(t, 'spans', { lifecycle, flush }));
    }
  }
  test('recordings of 30 ms', t => measure(t, 'recordings', {}));
});
