// Frames: whose code they are, the names of native functions, and that none is of the profiler itself.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ADDON } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { work } from './support/profile.mjs';
import { project, run, runService } from './support/service.mjs';

/** Records `body` and prints the profile's frames and the stacks of its samples. */
const program = (body, before = '') => `
const { startProfiling, stopProfiling } = require(${JSON.stringify(ADDON)});
const vm = require('node:vm');
globalThis.busy = new Function('return ' + ${JSON.stringify(work('busy'))})();
${before}
startProfiling('frames');
${body}
const { frames, stacks, samples } = stopProfiling('frames', 1, 0);
console.log(JSON.stringify({ frames, stacks: samples.map(({ stack_id }) => stacks[stack_id].map(index => frames[index])) }));
`;

async function profile(t, body, { before, files = {}, name = 'main.cjs', ...options } = {}) {
  const dir = project(t, { ...files, [name]: program(body, before) });
  const { stdout } = await run(join(dir, name), options);
  return { dir, ...JSON.parse(stdout) };
}

/** The frames of a function. */
const named = ({ frames }, name) => frames.filter(frame => frame.function === name);

describe('frames', { concurrency: 2 }, () => {
  test('code that a program compiles from strings belongs to its caller', async t => {
    const library = `module.exports = f => { f(); };`;
    const found = await profile(
      t,
      `
new Function('return function byFunction() { busy(60); }')()();
eval('(function byEval() { busy(60); })()');
(0, eval)('(function byGlobalEval() { busy(60); })()');
require('template')(new Function('return function byLibrary() { busy(60); }')());
new vm.Script('(function withoutName() { busy(60); })()').runInThisContext();
new vm.Script('(function withName() { busy(60); })()', { filename: 'views/page.ejs' }).runInThisContext();
(0, eval)('(function withUrl() { busy(60); })()\\n//# sourceURL=/app/views/x.js');
`,
      {
        before: `process.chdir(__dirname); require('node:fs').mkdirSync('own/node_modules', { recursive: true });
require('node:fs').writeFileSync('own/node_modules/template.js', ${JSON.stringify(library)}); module.paths.unshift(__dirname + '/own/node_modules');`,
      },
    );
    const whose = Object.fromEntries(
      ['byFunction', 'byEval', 'byGlobalEval', 'byLibrary', 'withoutName', 'withName', 'withUrl'].map(name => [
        name,
        named(found, name).map(frame => frame.in_app),
      ]),
    );
    assert.deepEqual(whose, {
      byFunction: [true],
      byEval: [true],
      byGlobalEval: [true],
      byLibrary: [false],
      withoutName: [false],
      withName: [true],
      withUrl: [true],
    });
  });

  test('WebAssembly and data: URLs are not files of the user and have no module', async t => {
    const found = await profile(
      t,
      `
const end = Date.now() + 200;
while (Date.now() < end) instance.exports.run(100_000);
`,
      {
        // (import "e" "f"), and (func (export "run") (param i32)), which calls it that many times.
        before: `const bytes = [0,97,115,109,1,0,0,0,1,8,2,96,0,0,96,1,127,0,2,7,1,1,101,1,102,0,0,3,2,1,1,7,7,1,3,114,117,110,0,1,10,18,1,16,0,3,64,16,0,32,0,65,1,107,34,0,13,0,11,11];
function called() { let sum = 0; for (let i = 0; i < 50; i++) sum += Math.sqrt(i); return sum; }
const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)), { e: { f: () => { called(); } } });`,
      },
    );
    const wasm = found.frames.filter(({ abs_path }) => abs_path?.startsWith('wasm:'));
    assert.ok(wasm.length > 0);
    assert.ok(
      wasm.every(frame => frame.in_app === false && frame.module === undefined),
      JSON.stringify(wasm),
    );
    const wrappers = found.frames.filter(frame => /^(js-to-wasm|wasm-to-js)/.test(frame.function));
    assert.ok(
      wrappers.every(frame => frame.in_app === false),
      JSON.stringify(wrappers),
    );
  });

  for (const mode of ['eager', 'lazy']) {
    for (const worker of [false, true]) {
      test(`native functions of add-ons share one name, ${mode}${worker ? ', in a worker' : ''}`, async t => {
        const body = `
const { getFrameModule } = require(${JSON.stringify(ADDON)});
const path = '/a'.repeat(100_000) + '/f.js';
const data = Buffer.alloc(1 << 22, 'abcdefgh');
for (const end = Date.now() + 300; Date.now() < end; ) getFrameModule(path);
for (const end = Date.now() + 300; Date.now() < end; ) data.toString('hex');
`;
        const main = program(body);
        const dir = project(t, {
          'main.cjs': worker ? `new (require('node:worker_threads').Worker)(__dirname + '/worker.cjs');` : main,
          'worker.cjs': main,
        });
        const { stdout } = await run(join(dir, 'main.cjs'), { env: { SENTRY_PROFILER_LOGGING_MODE: mode } });
        const found = JSON.parse(stdout);
        assert.ok(named(found, '(native)').length > 0, found.frames.map(frame => frame.function).join(', '));
        // Native and without a file: none may have the name of another function.
        const ours = found.frames.filter(frame =>
          /^(wake|getFrameModule|startProfiling|stopProfiling|support|suspendProfiler)$/.test(frame.function),
        );
        assert.deepEqual(ours, []);
        assert.ok(named(found, 'hexSlice').length > 0, "Node's own functions keep their names");
      });
    }
  }

  test('no stack contains functions of the package', async t => {
    const ingest = await startIngest(t);
    const { stdout } = await runService(
      t,
      `
const Sentry = require('@sentry/node');
const { nodeProfilingIntegration } = require('sentry-profiler-node');
Sentry.init({
  integrations: [nodeProfilingIntegration()],
  defaultIntegrations: false,
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
});
Sentry.startSpan({ name: 'outer' }, async () => {
  // Mostly starts and ends of spans. Not for longer, because the SDK then takes several times as long to close.
  for (const end = Date.now() + 400; Date.now() < end; ) Sentry.startSpan({ name: 'inner' }, () => {});
}).then(() => Sentry.close()).then(() => console.log(require.resolve('sentry-profiler-node')));
`,
      { ingest },
    );
    const chunks = await ingest.chunks();
    const files = new Set(chunks.flatMap(({ profile }) => profile.frames.map(frame => frame.abs_path)));
    const samples = chunks.reduce((sum, { profile }) => sum + profile.samples.length, 0);
    assert.ok(
      [...files].some(file => file?.includes('@sentry')),
      `the spans were not sampled: ${chunks.length} chunks, ${samples} samples, ${[...files].join(', ')}`,
    );
    assert.ok(!files.has(stdout.trim()), `${stdout.trim()} is in a stack`);
  });
});
