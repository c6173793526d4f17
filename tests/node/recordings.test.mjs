// Recordings as the package hands them out: in every format, on this thread and off it, around a function, with options.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { PACKAGE } from './support/environment.mjs';
import { work } from './support/profile.mjs';
import { retryOnce } from './support/retry.mjs';
import { project, run } from './support/service.mjs';

/** Runs a program that uses the package; it leaves what it found in `results`. */
async function results(t, program) {
  const dir = project(t, {
    'program.mjs': `
import { profile, startProfiling, stopProfiling, stopProfilingAsync } from 'sentry-profiler-node';
import { gunzipSync } from 'node:zlib';
${work('burn')}
const results = {};
${program}
console.log(JSON.stringify(results));
`,
  });
  const { stdout, stderr } = await run(join(dir, 'program.mjs'));
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

test('every format, on this thread and on another', async t => {
  const found = await results(
    t,
    `
const READ = {
  chunk: ({ frames }) => frames.some(frame => frame.function === 'burn'),
  thread: ({ frames }) => frames.some(frame => frame.function === 'burn'),
  cpuprofile: text => JSON.parse(text).nodes.some(node => node.callFrame.functionName === 'burn' && node.positionTicks),
  pprof: bytes => gunzipSync(bytes).includes('burn'),
  folded: text => /burn[^;\\n]* \\d+\\n/.test(text),
  flamegraph: text => text.startsWith('<?xml') && text.includes('burn'),
  markdown: text => /^# title\\n/.test(text) && /\\| .burn. \\| program.mjs:\\d+ \\|/.test(text) && /line \\d+, .*.for \\(let i/.test(text),
  html: text => text.startsWith('<!doctype html>'),
};
for (const [format, read] of Object.entries(READ)) {
  const seen = [];
  for (const stop of [stopProfiling, stopProfilingAsync]) {
    startProfiling('title');
    burn(60);
    seen.push(read(await stop('title', { format })), await stop('title', { format }));
  }
  results[format] = seen;
}
`,
  );
  const formats = ['chunk', 'thread', 'cpuprofile', 'pprof', 'folded', 'flamegraph', 'html', 'markdown'];
  assert.deepEqual(found, Object.fromEntries(formats.map(format => [format, [true, null, true, null]])));
});

test('a function, its value and its errors', async t => {
  const found = await results(
    t,
    `
const folded = { format: 'folded' };
const one = await profile(() => burn(60) && 1, folded);
results.value = [one.value > 0, /burn/.test(one.profile), /(^|;)(profile|stopProfiling)/m.test(one.profile)];
const later = await profile(async () => { await null; burn(60); return 'later'; }, folded);
results.promise = [later.value, /burn/.test(later.profile)];
const inner = await profile(async () => (await profile(() => burn(60), folded)).profile, folded);
results.nested = [/burn/.test(inner.value), /burn/.test(inner.profile)];
for (const fails of [() => { throw new Error('no'); }, async () => { throw new Error('later'); }]) {
  try {
    await profile(fails, { title: 'fails' });
  } catch (error) {
    (results.errors ??= []).push(error.message);
  }
}
results.left = stopProfiling('fails');
try {
  await profile(() => stopProfiling('stopped'), { title: 'stopped' });
} catch (error) {
  results.stopped = error.message;
}
results.usual = JSON.parse((await profile(() => burn(30))).profile).nodes.length > 0;
`,
  );
  assert.deepEqual(found, {
    value: [true, true, false],
    promise: ['later', true],
    nested: [true, true],
    errors: ['no', 'later'],
    left: null,
    stopped: "The recording 'stopped' was stopped while the function ran.",
    usual: true,
  });
});

async function checkOptions(t) {
  const found = await results(
    t,
    `
// Ticks, and the milliseconds that they were in: a busy machine lets 400 ms of work take longer.
const during = (title, options, work) => {
  startProfiling(title, options);
  const began = performance.now();
  work();
  const ms = performance.now() - began;
  const { samples, stacks } = stopProfiling(title);
  return { ms, ticks: samples.filter(sample => stacks[sample.stack_id].length > 0).length };
};
const ticksOf = options => during('title', options, () => burn(400));
results.meanwhile = during('all along', undefined, () => {
  results.usual = ticksOf({});
  results.often = ticksOf({ intervalUs: 1_000 });
  results.few = ticksOf({ maxSamples: 5 });
  results.oftenAgain = ticksOf({ intervalUs: 1_000, maxSamples: 50 });
});
// A title has one recording, whatever its interval.
startProfiling('title', { intervalUs: 1_000 });
burn(200);
results.anew = during('title', undefined, () => burn(100));
results.none = stopProfiling('title');
results.errors = [];
for (const options of [{ intervalUs: 99 }, { intervalUs: 'x' }, { maxSamples: 1 }, 5, 'x']) {
  try {
    startProfiling('title', options);
  } catch ({ code, message }) {
    results.errors.push([code, message]);
  }
}
for (const options of [{ threadId: -1 }, { collectResources: 1 }]) {
  startProfiling('title');
  try {
    stopProfiling('title', options);
  } catch ({ code, message }) {
    results.errors.push([code, message]);
  }
  results.kept = stopProfiling('title') !== null;
}
`,
  );
  const { usual, often, few, oftenAgain, meanwhile, anew, errors, ...rest } = found;
  // A busy machine takes fewer. V8 takes some out of turn, when a recording starts or code is deoptimized.
  for (const [{ ticks, ms }, least, hertz] of [
    [usual, 49, 99],
    [often, 198, 1_000],
    [meanwhile, 49, 99],
    [anew, 0, 99],
  ]) {
    const isRight = ticks >= (least * ms) / 1e3 && ticks <= (1.1 * hertz * ms) / 1e3 + 10;
    assert.ok(isRight, `${ticks} ticks in ${ms} ms at ${hertz} Hz`);
  }
  assert.equal(few.ticks, 5);
  assert.equal(oftenAgain.ticks, 50);
  assert.deepEqual(rest, { none: null, kept: true });
  assert.deepEqual(errors, [
    ['NAPI_ERROR', 'intervalUs must be a number from 100 to 1000000, got 99'],
    ['NAPI_ERROR', "intervalUs must be a number from 100 to 1000000, got 'x'"],
    ['NAPI_ERROR', 'maxSamples must be a number from 2 to 4294967295, got 1'],
    ['NAPI_ERROR', 'options must be an object, got 5'],
    ['NAPI_ERROR', "options must be an object, got 'x'"],
    ['NAPI_ERROR', 'threadId must be a number from 0 to 4294967295, got -1'],
    ['NAPI_ERROR', 'collectResources must be true or false, got 1'],
  ]);
}

test('interval and maximum', t => retryOnce(t, () => checkOptions(t)));

test('workers have recordings of their own, and a worker may end while one is encoded', async t => {
  const found = await results(
    t,
    `
import { Worker } from 'node:worker_threads';
const program = \`
const { parentPort } = require('node:worker_threads');
const { profile, startProfiling, stopProfilingAsync } = require(${JSON.stringify(PACKAGE)});
\${burn}
profile(() => burn(100), { format: 'chunk', intervalUs: 2_000 }).then(({ profile }) => {
  parentPort.postMessage([profile.samples.length > 20, profile.samples[0].thread_id !== '0']);
  startProfiling('last');
  burn(50);
  stopProfilingAsync('last', { format: 'html' });
  process.exit();
});
\`;
const workers = Array.from({ length: 4 }, () => {
  const worker = new Worker(program, { eval: true });
  const said = new Promise(resolve => worker.on('message', resolve));
  return [said, new Promise(resolve => worker.on('exit', resolve))];
});
results.said = await Promise.all(workers.map(([said]) => said));
results.exits = await Promise.all(workers.map(([, exit]) => exit));
`,
  );
  assert.deepEqual(found, { said: Array(4).fill([true, true]), exits: Array(4).fill(0) });
});
