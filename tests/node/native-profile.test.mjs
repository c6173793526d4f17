// What a named recording contains, in both formats.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { ADDON } from './support/environment.mjs';
import { hottest, lineOf, samplesIn, stackOf, work } from './support/profile.mjs';
import { run } from './support/service.mjs';

const require = createRequire(import.meta.url);
const { startProfiling, stopProfiling } = require(ADDON);

const THREAD = 0;
const CHUNK = 1;

const SOURCE = `'use strict';
// The function below begins on a line and at a column that the profile must name.
/* indented */ exports.hot = ${work('hotFunction')};
exports.deep = function deep(depth, ms) {
  return depth === 0 ? exports.hot(ms) : deep(depth - 1, ms) + 1;
};
`;

/** Writes scripts into a folder that is removed after the test; returns their paths. */
function scripts(t, files) {
  const dir = mkdtempSync(join(tmpdir(), 'sentry-profiler-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return Object.entries(files).map(([name, source]) => {
    writeFileSync(join(dir, name), source);
    return join(dir, name);
  });
}

/** Records `work` and returns its profile. */
function record(format, work, collectResources = false) {
  startProfiling('recording');
  work();
  return stopProfiling('recording', format, 0, collectResources);
}

/** Checks frames and stacks, alike in both formats. */
function checkTables({ samples, stacks, frames }) {
  for (const { stack_id } of samples) {
    assert.ok(stack_id >= 0 && stack_id < stacks.length);
  }
  for (const stack of stacks) {
    assert.ok(stack.every(index => index >= 0 && index < frames.length));
  }
  assert.equal(new Set(stacks.map(stack => stack.join())).size, stacks.length, 'stacks are unique');
  assert.equal(new Set(frames.map(frame => JSON.stringify(frame))).size, frames.length, 'frames are unique');
  for (const frame of frames) {
    assert.ok(frame.function.length > 0, 'a frame has a name');
    for (const position of [frame.lineno, frame.colno]) {
      assert.ok(position === undefined || (Number.isInteger(position) && position > 0), `position ${position}`);
    }
  }
}

test('a chunk has Unix times in seconds, to the microsecond and in order', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  const before = Date.now() / 1000;
  const profile = record(CHUNK, () => hot(500));
  const after = Date.now() / 1000;

  assert.deepEqual(Object.keys(profile).sort(), [
    'frames',
    'measurements',
    'profiler_logging_mode',
    'resources',
    'samples',
    'stacks',
  ]);
  assert.equal(profile.profiler_logging_mode, 'eager');
  checkTables(profile);
  const times = profile.samples.map(({ timestamp }) => timestamp);
  assert.ok(times.length > 20, `${times.length} samples in half a second`);
  assert.ok(times.every(time => time >= before - 0.05 && time <= after + 0.05));
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
  assert.ok(
    times.some(time => Math.abs(time * 1000 - Math.round(time * 1000)) > 0.005),
    'times are not cut to milliseconds',
  );
  for (const sample of profile.samples) {
    assert.deepEqual(Object.keys(sample).sort(), ['stack_id', 'thread_id', 'timestamp']);
    assert.equal(sample.thread_id, '0');
  }
});

test('a thread profile has nanoseconds since its start', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  const began = performance.now();
  const profile = record(THREAD, () => hot(500));
  const durationNs = (performance.now() - began) * 1e6;

  checkTables(profile);
  let previous = 0;
  for (const sample of profile.samples) {
    assert.deepEqual(Object.keys(sample).sort(), ['elapsed_since_start_ns', 'stack_id', 'thread_id']);
    assert.match(sample.elapsed_since_start_ns, /^\d+$/);
    const elapsed = Number(sample.elapsed_since_start_ns);
    assert.ok(elapsed >= previous && elapsed <= durationNs + 50e6, `${elapsed} of ${durationNs}`);
    previous = elapsed;
  }
});

for (const [name, format] of [
  ['chunk', CHUNK],
  ['thread profile', THREAD],
]) {
  test(`the measurements of a ${name} lie in its time and have plausible values`, t => {
    const [file] = scripts(t, { 'hot.js': SOURCE });
    const { hot } = require(file);
    const before = Date.now();
    // The ticker measures every 100 ms, whatever the thread does.
    const { measurements } = record(format, () => hot(700));
    const after = Date.now();

    assert.deepEqual(Object.keys(measurements).sort(), ['cpu_usage', 'memory_footprint']);
    const { cpu_usage: cpu, memory_footprint: memory } = measurements;
    assert.equal(cpu.unit, 'percent');
    assert.equal(memory.unit, 'byte');
    for (const { values } of [cpu, memory]) {
      assert.ok(values.length >= 2, `${values.length} values in 700 ms`);
      for (const { value, timestamp, elapsed_since_start_ns: elapsed } of values) {
        assert.ok(Number.isFinite(value));
        assert.equal(typeof (timestamp ?? elapsed), 'number');
        if (format === CHUNK) {
          assert.ok(timestamp * 1000 >= before - 50 && timestamp * 1000 <= after + 50, `timestamp ${timestamp}`);
        } else {
          assert.ok(elapsed >= 0 && elapsed <= (after - before + 50) * 1e6, `elapsed ${elapsed}`);
        }
      }
    }
    assert.ok(cpu.values.every(({ value }) => value >= 0 && value <= 100));
    assert.ok(
      cpu.values.some(({ value }) => value > 1),
      'a busy loop uses CPU',
    );
    assert.ok(memory.values.every(({ value }) => value > 1 << 20 && value < 2 ** 40));
  });
}

test('a recording of a few milliseconds has a value of the heap, too', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  for (let i = 0; i < 10; i++) {
    const { measurements } = record(CHUNK, () => hot(20));
    const { values } = measurements.memory_footprint;
    assert.ok(values.length >= 1 && values.every(({ value }) => value > 1 << 20), JSON.stringify(values));
  }
});

test('frames have the position of their definition', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  const profile = record(CHUNK, () => hot(300));

  const [{ frame, samples }] = hottest(profile);
  assert.equal(frame.function, 'hotFunction');
  assert.equal(frame.lineno, lineOf(SOURCE, 'function hotFunction'));
  // For V8 a function begins at its parameters.
  assert.equal(frame.colno, SOURCE.split('\n')[frame.lineno - 1].indexOf('(ms)') + 1);
  assert.equal(frame.abs_path, file);
  assert.equal(frame.filename, file);
  assert.match(frame.module, /:hot$/);
  assert.notEqual(frame.in_app, false);
  assert.ok(samples.length > 10);
});

test('frames without a script are not in_app', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  const { frames } = record(CHUNK, () => hot(200));
  for (const name of ['(root)', '(program)', '(garbage collector)', '(idle)']) {
    for (const frame of frames.filter(frame => frame.function === name)) {
      assert.equal(frame.in_app, false, name);
    }
  }
  assert.ok(
    frames.some(frame => frame.in_app === false),
    'there is at least a root',
  );
});

test('resources are the files of the frames', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  const { frames, resources } = record(CHUNK, () => hot(200), true);
  assert.ok(resources.includes(file));
  assert.equal(new Set(resources).size, resources.length);
  for (const { abs_path } of frames) {
    assert.ok(!abs_path || resources.includes(abs_path), `${abs_path} is listed`);
  }
});

test('stacks keep their root up to the depth that V8 records', t => {
  const [file] = scripts(t, { 'deep.js': SOURCE });
  const { deep } = require(file);
  const profile = record(CHUNK, () => deep(200, 300));
  const stacks = samplesIn(profile, 'hotFunction').map(sample => stackOf(profile, sample));
  const depths = stacks.map(stack => stack.filter(frame => frame.function === 'deep').length);
  assert.equal(Math.max(...depths), 201);
});

test('an ES module has a plain path and a module name', async t => {
  const [file] = scripts(t, { 'hot module.mjs': `${work('burn')}\nexport { burn };\n` });
  const { burn } = await import(pathToFileURL(file));
  const [{ frame }] = hottest(record(CHUNK, () => burn(300)));
  assert.equal(frame.function, 'burn');
  assert.equal(frame.abs_path, file);
  assert.match(frame.module, /:hot module$/);
  assert.notEqual(frame.in_app, false);
});

test('a script may be named x', t => {
  const inContext = new vm.Script(`${work('burn')}; burn`, { filename: 'x' }).runInThisContext();
  const [file] = scripts(t, { x: `${work('burn')}\nexports.burn = burn;\n` });
  const fromFile = require(file).burn;
  for (const [burn, path] of [
    [inContext, 'x'],
    [fromFile, file],
  ]) {
    const [{ frame }] = hottest(record(CHUNK, () => burn(200)));
    assert.equal(frame.function, 'burn');
    assert.equal(frame.abs_path, path);
    assert.match(frame.module, /(^|:)x$/);
  }
});

test('120 recordings that overlap all return what happened in their time', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  const titles = Array.from({ length: 120 }, (_, i) => `recording ${i}`);
  for (const title of titles) {
    startProfiling(title);
  }
  hot(300);
  const first = stopProfiling(titles[0], CHUNK, 0);
  hot(300);
  const profiles = [first, ...titles.slice(1).map(title => stopProfiling(title, CHUNK, 0))];
  for (const [i, profile] of profiles.entries()) {
    assert.ok(profile, `recording ${i} returns`);
    checkTables(profile);
    assert.equal(hottest(profile)[0].frame.function, 'hotFunction', `recording ${i}`);
  }
  const last = profiles.at(-1).samples;
  assert.ok(last.length > first.samples.length, 'the longer recording has more samples');
  assert.ok(first.samples.at(-1).timestamp < last.at(-1).timestamp);
});

test('starting a title again drops what it recorded', t => {
  const [file] = scripts(t, { 'hot.js': SOURCE });
  const { hot } = require(file);
  startProfiling('again');
  hot(200);
  const restarted = Date.now() / 1000;
  startProfiling('again');
  hot(200);
  const { samples } = stopProfiling('again', CHUNK, 0);
  assert.ok(samples.length > 5);
  assert.ok(samples[0].timestamp >= restarted - 0.02, 'no sample is older than the second start');
  assert.equal(stopProfiling('again', CHUNK, 0), null);
});

test('a process ends while it records', async t => {
  const [file] = scripts(t, {
    'record.cjs': `require(${JSON.stringify(ADDON)}).startProfiling('for ever'); process.exitCode = 7;`,
  });
  await run(file, { code: 7 });
});

test('process.exit and an uncaught error end a process that records', async t => {
  const [exits, throws] = scripts(t, {
    'exits.cjs': `require(${JSON.stringify(ADDON)}).startProfiling('for ever'); process.exit(7);`,
    'throws.cjs': `require(${JSON.stringify(ADDON)}).startProfiling('for ever'); throw new Error('on purpose');`,
  });
  // Many times: a running sampling thread crashed one process in twenty when Node tore the platform down.
  for (let round = 0; round < 15; round += 1) {
    await run(exits, { code: 7 });
    const { stderr } = await run(throws, { code: 1 });
    assert.match(stderr, /on purpose/);
  }
});

test('an exit listener can still stop a recording', async t => {
  const [file] = scripts(t, {
    'listener.cjs': `
      const { startProfiling, stopProfiling } = require(${JSON.stringify(ADDON)});
      process.on('exit', () => {
        console.log(stopProfiling('to the end', 1, 0).samples.length);
        try {
          startProfiling('too late');
        } catch (error) {
          console.log(error.code);
        }
      });
      startProfiling('to the end');
      for (const end = Date.now() + 200; Date.now() < end; );
      process.exit(0);`,
  });
  const { stdout } = await run(file, { code: 0 });
  const [samples, code] = stdout.trim().split('\n');
  assert.ok(Number(samples) >= 5, stdout);
  assert.equal(code, 'NAPI_ERROR');
});

test('nothing samples while a process ends, even if it removed our exit listener', async t => {
  const records = {
    'a recording': "startProfiling('x');",
    'a session': "session('manual').start();",
    'a span': "session('trace').spanFunctions().started();",
  };
  const removals = [
    'process.removeAllListeners();',
    "process.removeAllListeners('exit');",
    "for (const listener of process.listeners('exit')) process.off('exit', listener);",
  ];
  const cases = Object.entries(records).flatMap(([name, record]) => removals.map(remove => [name, record, remove]));
  const files = scripts(
    t,
    Object.fromEntries(
      cases.map(([name, record, remove], i) => [
        `${i} ${name}.cjs`,
        `
const { startProfiling, stopProfiling, Session } = require(${JSON.stringify(ADDON)});
const sessions = [];
const session = lifecycle => {
  sessions.push(new Session({ lifecycle, sampleRate: 1, threadId: '0', threadName: 'main' }, () => {}));
  return sessions[0];
};
const exit = () => {
  process.on('exit', () => {
    try {
      startProfiling('too late');
      console.log('it samples');
    } catch {
      console.log('it is suspended');
    }
  });
  process.exit(0);
};
${remove}
${record}
for (const end = Date.now() + 100; Date.now() < end; );
if (process.argv[2] === 'at once') exit();
${remove}
// The profiler does its work when the thread has time for it.
setTimeout(exit, 3_000);
`,
      ]),
    ),
  );
  for (const end of ['at once', 'later']) {
    const ended = await Promise.all(files.map(file => run(file, { args: [end] })));
    assert.deepEqual(
      ended.map(({ stdout }) => stdout),
      files.map(() => 'it is suspended\n'),
      end,
    );
  }
});

test('who listens for the end of the process is not asked at each start', async t => {
  const [file] = scripts(t, {
    'spans.cjs': `
let asked = 0;
const { listeners } = process;
process.listeners = function (...names) {
  asked += 1;
  return listeners.apply(this, names);
};
const { Session } = require(${JSON.stringify(ADDON)});
const session = new Session({ lifecycle: 'trace', sampleRate: 1, threadId: '0', threadName: 'main' }, () => {});
const { started, ended } = session.spanFunctions();
const before = asked;
for (let i = 0; i < 1_000; i++) {
  started();
  ended();
}
session.close();
console.log(asked - before, process.listeners('exit').length);
`,
  });
  assert.equal((await run(file)).stdout, '0 1\n');
});
