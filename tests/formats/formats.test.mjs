// One recording in every format: each gives every function the same time, and that is the time that it took. Samples
// that V8 adds at each deoptimization and at each start have no duration.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import vm from 'node:vm';
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { read as readReport } from '../../core/src/report/viewer/data.js';

const require = createRequire(import.meta.url);
const { start, stop } = require(process.env.SENTRY_PROFILER_TEST_FORMATS_ADDON);
const requireReader = createRequire(join(process.env.SENTRY_PROFILER_TEST_FORMATS_MODULES, 'x'));
const { Profile: Pprof } = requireReader('pprof-format');
const { SaxesParser } = requireReader('saxes');

const INTERVAL_MS = 10.101;
/** Relative to what a function took. */
const TOLERANCE = 0.15;
/** V8's thread processes new code before it samples, so much new code makes ticks late and their number less exact. */
const TOLERANCE_OF_CHURN = 0.25;
/** Relative to the other formats. */
const AGREEMENT = 0.05;
const TRIES = 3;

const NAMES = ['steady', 'churn', 'early', 'late'];

function steady(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 2_000; i++) sum += i % 7;
  return sum;
}

let functions = 0;
/** Deoptimizes all the time: each function is called with other types than it was optimized for. */
function churn(ms) {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const source = `/*${functions++}*/ let s = 0; for (let i = 0; i < 30_000; i++) s = (s + a * i) % 1000003; return s + b;`;
    const f = new Function('a', 'b', source);
    for (const [a, b] of [
      [0, 1],
      [1, 1],
      [2, 1],
      [1.5, 'x'],
      ['2', {}],
      [{}, 1],
      [2 ** 40, 0.5],
    ])
      f(a, b);
  }
}

const half = name =>
  new Function(
    `return function ${name}(end) { let s = 0; do for (let i = 0; i < 200; i++) s += i % 7; while (performance.now() < end); return s; }`,
  )();
const [early, late] = ['early', 'late'].map(half);

/** Milliseconds by function, from pairs of a stack's names and a time. */
function billed(pairs) {
  const sums = Object.fromEntries(NAMES.map(name => [name, 0]));
  for (const [stack, ms] of pairs) {
    const name = NAMES.find(name => stack.includes(name));
    if (name) sums[name] += ms;
  }
  return sums;
}

function untilNext({ samples, stacks, frames }, time) {
  return samples.map((sample, i) => [
    stacks[sample.stack_id].map(index => frames[index].function),
    time(samples[i + 1] ?? sample) - time(sample),
  ]);
}

/** The time of each function by format. Some formats have two figures that a reader may use. */
const READERS = {
  'chunk, by time': ({ sampleV2 }) => untilNext(JSON.parse(sampleV2).profile, ({ timestamp }) => timestamp * 1e3),
  'chunk, ticks times the interval': ({ sampleV2 }) =>
    untilNext(JSON.parse(sampleV2).profile, () => 0).map(([stack]) => [stack, INTERVAL_MS]),
  'V1, by time': ({ sampleV1 }) =>
    untilNext(JSON.parse(sampleV1), sample => Number(sample.elapsed_since_start_ns) / 1e6),
  '.cpuprofile, by time': ({ cpuprofile }) => {
    const { samples, timeDeltas, ...profile } = JSON.parse(cpuprofile);
    const stackOf = stacksOf(profile);
    return samples.map((id, i) => [stackOf(id), (timeDeltas[i + 1] ?? 0) / 1e3]);
  },
  '.cpuprofile, hits times the time of a hit': ({ cpuprofile }) => {
    const profile = JSON.parse(cpuprofile);
    const stackOf = stacksOf(profile);
    // As Chrome DevTools computes it.
    const hits = profile.nodes.reduce((sum, { hitCount }) => sum + hitCount, 0);
    const ofHit = (profile.endTime - profile.startTime) / hits / 1e3;
    return profile.nodes.map(({ id, hitCount }) => [stackOf(id), hitCount * ofHit]);
  },
  'pprof, cpu': ({ pprof }) => pprofPairs(pprof, 1, () => 1e-6),
  'pprof, samples times the period': ({ pprof }) => pprofPairs(pprof, 0, ({ period }) => Number(period) / 1e6),
  folded: ({ folded }) =>
    String(folded)
      .split('\n')
      .filter(Boolean)
      .map(line => {
        const [, stack, us] = /^(.*) (\d+)$/.exec(line);
        return [stack.split(';').map(frame => frame.split(' ')[0]), us / 1e3];
      }),
  report: ({ html }) => {
    const [, packed] = / id="data">([^<]*)</.exec(html);
    const { frames, reports } = readReport(new Uint8Array(inflateRawSync(Buffer.from(packed, 'base64'))));
    const [{ frame, parent, node: nodes, time }] = reports[0].threads;
    const stackOf = node => (node > 0 ? [frames.name[frame[node]], ...stackOf(parent[node])] : []);
    return Array.from(nodes, (node, i) => [stackOf(node), ((time[i + 1] ?? time[i]) - time[i]) / 1e3]);
  },
};

function stacksOf({ nodes }) {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id])));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  return id => {
    const stack = [];
    for (let at = id; at !== undefined; at = parents.get(at)) stack.push(names.get(at));
    return stack;
  };
}

function pprofPairs(bytes, value, factor) {
  const profile = Pprof.decode(gunzipSync(bytes));
  const text = id => profile.stringTable.strings[Number(id)];
  assert.deepEqual([text(profile.periodType.type), text(profile.periodType.unit)], ['cpu', 'nanoseconds']);
  const functions = new Map(profile.function.map(({ id, name }) => [id, text(name)]));
  const locations = new Map(profile.location.map(({ id, line }) => [id, functions.get(line[0].functionId)]));
  return profile.sample.map(sample => [
    sample.locationId.map(id => locations.get(id)),
    Number(sample.value[value]) * factor(profile),
  ]);
}

/** The boxes of a flame graph that are calls. */
function calls(svg) {
  const calls = [];
  let [isBox, text] = [false, ''];
  const parser = new SaxesParser();
  parser.on('error', error => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    isBox = name === 'rect' ? /^[odnvg]$/.test(attributes.class) : isBox && name === 'title';
    text = '';
  });
  parser.on('text', part => (text += part));
  parser.on('closetag', ({ name }) => {
    if (name !== 'title' || !isBox) return;
    const [, function_, place, self, total] = /^(.*)\n(.*)\nself ([\d.]+) ms \(.*\), total ([\d.]+) ms \(.*\)$/s.exec(
      text,
    );
    calls.push({ name: function_, place, selfUs: Math.round(self * 1e3), totalMs: Number(total) });
  });
  parser.write(String(svg)).close();
  return calls;
}

function record() {
  const spent = Object.fromEntries(NAMES.map(name => [name, 0]));
  const timed = (name, run) => {
    const begin = performance.now();
    run();
    spent[name] += performance.now() - begin;
  };
  const recordings = [];
  start('long');
  for (let i = 0; i < 3; i++) {
    timed('steady', () => steady(700));
    timed('churn', () => churn(300));
  }
  recordings.push(stop('long'));
  for (let i = 0; i < 100; i++) {
    start('short');
    timed('early', () => early(performance.now() + 15));
    timed('late', () => late(performance.now() + 15));
    recordings.push(stop('short'));
    for (const end = performance.now() + 7 * Math.random(); performance.now() < end; );
  }
  return { spent, recordings };
}

/** Compares what the formats say with what was spent; returns the differences. */
function judge(t, { spent, recordings }) {
  const wrong = [];
  const all = Object.entries(READERS).map(([reader, read]) => [
    reader,
    billed(recordings.flatMap(recording => read(recording))),
  ]);
  const boxes = recordings.flatMap(({ flamegraph }) => calls(flamegraph));
  const ofBoxes = name => boxes.filter(box => box.name === name).reduce((sum, { totalMs }) => sum + totalMs, 0);
  all.push(['flame graph', Object.fromEntries(NAMES.map(name => [name, ofBoxes(name)]))]);
  const [[, first]] = all;
  for (const [reader, sums] of all) {
    const shares = NAMES.map(name => `${name} ${((100 * sums[name]) / spent[name]).toFixed(1)} %`);
    t.diagnostic(`${reader}: ${shares.join(', ')}`);
    for (const name of NAMES) {
      const counts = / times /.test(reader);
      const tolerance = counts && name === 'churn' ? TOLERANCE_OF_CHURN : TOLERANCE;
      const isRight = Math.abs(sums[name] / spent[name] - 1) < tolerance;
      const agrees = counts || Math.abs(sums[name] / first[name] - 1) < AGREEMENT;
      if (!isRight || !agrees)
        wrong.push(`${reader}: ${name} took ${spent[name].toFixed(0)} ms, not ${sums[name].toFixed(0)}`);
    }
  }
  return wrong;
}

test('in every format, every function gets the time that it took', t => {
  try {
    // Other processes' time would count for the function that they interrupt.
    os.setPriority(os.constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Needs privileges.
  }
  [steady, churn].forEach(work => work(200));
  [early, late].forEach(half => half(performance.now() + 200));
  let wrong;
  // On a busy machine V8's thread ticks late.
  for (let i = 0; i < TRIES && wrong?.length !== 0; i++) wrong = judge(t, record());
  assert.deepEqual(wrong, []);
});

function parse() {
  return JSON.parse(JSON.stringify(Array.from({ length: 20_000 }, (_, i) => ({ i, text: `${i}`.repeat(3) }))));
}

function sort() {
  return [...'cba'.repeat(20_000)].sort((a, b) => (a < b ? -1 : 1));
}

test('a flame graph has the times of folded stacks', () => {
  start('graph');
  for (let i = 0; i < 10; i++) {
    steady(30);
    early(performance.now() + 20);
    parse();
    sort();
  }
  const { folded, flamegraph } = stop('graph');
  // Self times by function; what files are called differs.
  const sums = {};
  const add = (name, us, i) => ((sums[name] ??= [0, 0])[i] += us);
  for (const line of String(folded).split('\n').filter(Boolean)) {
    const [, leaf, us] = /([^;]*) (\d+)$/.exec(line);
    add(leaf.replace(/ \((?:[^()]*:\d+|[^()]*|native|builtin|script|unknown)\)$/, ''), Number(us), 0);
  }
  for (const { name, selfUs } of calls(flamegraph)) add(name, selfUs, 1);
  const seen = Object.entries(sums).filter(([, [us]]) => us > 0);
  assert.ok(seen.length >= 4, seen.join(' '));
  // A tick at the very end may be too short for a box.
  const whole = seen.reduce((sum, [, [us]]) => sum + us, 0);
  for (const [name, [us, drawn]] of seen)
    assert.ok(drawn <= us && us - drawn < whole / 2_000, `${name}: ${us} µs, of which ${drawn} are drawn`);
  assert.ok(seen.filter(([, [us, drawn]]) => drawn === us).length >= seen.length - 1);
});

/** Three quarters of the time at line 4, a quarter at line 6. */
const { lines } = vm.runInThisContext(
  `({ lines(ms) {
  let s = 0;
  const quarters = [performance.now() + ms * 0.75, performance.now() + ms];
  while (performance.now() < quarters[0]) for (let i = 0; i < 20_000; i++) s += i % 7;
  // The rest.
  while (performance.now() < quarters[1]) for (let i = 0; i < 20_000; i++) s += i % 7;
  return s;
} })`,
  { filename: '/app/lines.js' },
);

/** Hits of `lines` by line. */
const LINES = {
  '.cpuprofile': ({ cpuprofile }) => {
    const nodes = JSON.parse(cpuprofile).nodes.filter(({ callFrame }) => callFrame.functionName === 'lines');
    for (const { hitCount, positionTicks = [] } of nodes) {
      const atLines = positionTicks.reduce((sum, { ticks }) => sum + ticks, 0);
      assert.ok(atLines <= hitCount, `${atLines} of ${hitCount} hits`);
    }
    return nodes.flatMap(({ positionTicks = [] }) => positionTicks.map(({ line, ticks }) => [line, ticks]));
  },
  pprof: ({ pprof }) => {
    const profile = Pprof.decode(gunzipSync(pprof));
    const named = id => profile.stringTable.strings[Number(profile.function.find(known => known.id === id).name)];
    const lines = new Map(
      profile.location.map(({ id, line: [{ functionId, line }] }) => [id, [named(functionId), line]]),
    );
    const leaves = profile.sample.map(({ locationId, value }) => [...lines.get(locationId[0]), value[0]]);
    return leaves.filter(([name]) => name === 'lines').map(([, line, ticks]) => [Number(line), Number(ticks)]);
  },
};

test('a function has its time at the lines that took it', t => {
  start('lines');
  for (let i = 0; i < 5; i++) lines(600);
  const recording = stop('lines');
  const read = Object.entries(LINES).map(([format, read]) => {
    const ticks = {};
    for (const [line, count] of read(recording)) ticks[line] = (ticks[line] ?? 0) + count;
    t.diagnostic(`${format}: ${JSON.stringify(ticks)}`);
    return ticks;
  });
  assert.deepEqual(read[0], read[1]);
  assert.match(
    String(recording.markdown),
    /- `lines` .*\n(?: {2}.*\n)* {2}- line 4, 2\.\d+ s\n(?: {2}.*\n)* {2}- line 6, /,
  );
  const [{ 4: long, 6: short, ...others }] = read;
  const all = long + short + Object.values(others).reduce((sum, ticks) => sum + ticks, 0);
  assert.ok(all > 200, `${all} ticks`);
  assert.ok(Math.abs(long / all - 0.75) < 0.1 && Math.abs(short / all - 0.25) < 0.1, `${long} and ${short} of ${all}`);
});
