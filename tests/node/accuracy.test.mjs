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
/** The ratio of halves is a matter of chance too: so many standard deviations are granted to it. */
const DEVIATIONS = 1.5;
/** An inspector session that is off by as much says that the machine is busy. */
const BUSY = 0.1;
/** A machine that is busy with something else keeps V8's thread from ticking, and the program from working. */
const TRIES = 3;
const TIMEOUT_MS = 150_000;

const lengthsIn = ({ spent }) => Object.keys(spent).filter(name => name.startsWith('late') && spent[name] > 0).map(name => name.slice(4));

/** What is wrong with what was billed, if anything, after it was told. */
function judge(t, results) {
  const wrong = [];
  const sum = (key, name) => results.reduce((sum, result) => sum + result[key][name], 0);
  for (const ms of lengthsIn(results[0])) {
    const both = key => sum(key, `early${ms}`) + sum(key, `late${ms}`);
    const ratio = key => sum(key, `early${ms}`) / sum(key, `late${ms}`);
    const [spent, billed, ticks] = ['spent', 'billed', 'ticks'].map(both);
    const inspected = both('inspected') * INTERVAL_MS;
    // Where the machine kept V8's thread from ticking in time, it did so for both.
    const truth = Math.abs(inspected / spent - 1) > BUSY && inspected > 0 ? inspected : spent;
    const byTime = billed / truth;
    const byTicks = (ticks * INTERVAL_MS) / truth;
    const halves = ratio('billed') / ratio('spent');
    const percent = share => `${(100 * share).toFixed(0)} %`;
    const said =
      `${ms} ms: ${ticks} ticks bill ${percent(byTime)} by time, ${percent(byTicks)} by number ` +
      `(an inspector session saw ${percent(inspected / spent)}); halves ${halves.toFixed(2)} : 1`;
    t.diagnostic(said);
    // The ratio of two counts is off by this much in one case of three.
    const chance = 2 / Math.sqrt(ticks || 1);
    const isOff = Math.abs(Math.log(halves)) > TOLERANCE + DEVIATIONS * chance;
    if (Math.abs(byTime - 1) > TOLERANCE || Math.abs(byTicks - 1) > TOLERANCE || isOff) {
      wrong.push(said);
    }
  }
  return wrong;
}

/** Runs the program until what it bills is what it spent; what earlier tries found counts too, so that chance has less to say. */
async function measure(t, mode, options) {
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
    wrong = judge(t, results);
    if (wrong.length > 0 && results.length > 1) {
      wrong = judge(t, results.slice(-1));
    }
  } while (wrong.length > 0 && results.length < TRIES);
  assert.deepEqual(wrong, []);
}

// Alone: workers that wait for a core are billed what they waited for.
test('spans with long pauses', t => measure(t, 'crowd', { workers: 40 }));

describe('accuracy', { concurrency: 2 }, () => {
  for (const lifecycle of ['trace', 'manual']) {
    for (const flush of [false, true]) {
      test(`spans with short pauses, ${lifecycle}${flush ? ', a flush after each' : ''}`, t =>
        measure(t, 'spans', { lifecycle, flush }));
    }
  }
  test('recordings of 30 ms', t => measure(t, 'recordings', {}));
});
