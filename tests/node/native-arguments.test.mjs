// What the native functions make of every kind of argument. The process must live on: a crash fails the whole file.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { ADDON, NO_PEER, PEER, SDK } from './support/environment.mjs';
import { work } from './support/profile.mjs';
import { project, run } from './support/service.mjs';

const { startProfiling, stopProfiling, getFrameModule } = createRequire(import.meta.url)(ADDON);
const busy = new Function(`return ${work('busy')}`)();

const NOT_STRINGS = [undefined, null, 0, 1n, true, {}, ['title'], Symbol('title'), () => 'title', new String('title')];

/** A call throws this message in the way that `@sentry/node-cpu-profiler` does. */
function throwsNative(call, message) {
  assert.throws(call, { name: 'Error', message, code: 'NAPI_ERROR' });
}

test('startProfiling wants a string', () => {
  const message = 'TypeError: StartProfiling expects a string as first argument.';
  throwsNative(() => startProfiling(), message);
  for (const title of NOT_STRINGS) {
    throwsNative(() => startProfiling(title), message);
  }
});

test('startProfiling wants a title that is not empty', () => {
  throwsNative(
    () => startProfiling(''),
    'StartProfiling expects a non-empty string as first argument, got an empty string.',
  );
});

test('stopProfiling wants three arguments', () => {
  for (const args of [[], ['title'], ['title', 1]]) {
    throwsNative(() => stopProfiling(...args), 'StopProfiling expects at least three arguments.');
  }
});

test('stopProfiling wants a title, a format and a thread id', () => {
  for (const title of NOT_STRINGS) {
    throwsNative(() => stopProfiling(title, 1, 0), 'StopProfiling expects a string as first argument.');
  }
  throwsNative(() => stopProfiling('', 1, 0), 'StopProfiling expects a non empty string as first argument.');
  for (const format of [undefined, null, '1', 1n, true, {}]) {
    throwsNative(
      () => stopProfiling('title', format, 0),
      'StopProfiling expects a format type as second argument.',
    );
  }
  for (const threadId of [undefined, null, '0', 0n, true, {}]) {
    throwsNative(
      () => stopProfiling('title', 1, threadId),
      'StopProfiling expects a thread_id integer as third argument.',
    );
  }
});

test('a format that does not exist is an error, and the title can be used again', () => {
  for (const format of [2, -1, 7]) {
    startProfiling('format');
    throwsNative(
      () => stopProfiling('format', format, 0),
      'StopProfiling expects a valid format type as second argument.',
    );
    startProfiling('format');
    assert.ok(stopProfiling('format', 1, 0));
  }
});

test('a title that does not record has no profile', () => {
  assert.equal(stopProfiling('never started', 1, 0), null);
  startProfiling('once');
  assert.ok(stopProfiling('once', 1, 0));
  assert.equal(stopProfiling('once', 1, 0), null);
});

test('startProfiling returns null or nothing', () => {
  assert.ok(startProfiling('result') == null);
  stopProfiling('result', 1, 0);
});

test('any text is a title', () => {
  const titles = [
    'x',
    ' ',
    'ä',
    'プロファイル',
    '🔥'.repeat(1000),
    'line\nbreak',
    'zero\0inside',
    '\0',
    '"quotes" and \\',
    'constructor',
    '__proto__',
    'x'.repeat(1 << 20),
    'ö'.repeat(1 << 20),
  ];
  for (const title of titles) {
    startProfiling(title);
    const profile = stopProfiling(title, 1, 0);
    assert.ok(profile, `no profile for ${JSON.stringify(title.slice(0, 20))}, ${title.length} long`);
    assert.ok(Array.isArray(profile.samples));
  }
});

test('titles that differ after a NUL are two titles', () => {
  startProfiling('same\0one');
  startProfiling('same\0two');
  assert.equal(stopProfiling('same', 1, 0), null);
  assert.ok(stopProfiling('same\0one', 1, 0));
  assert.ok(stopProfiling('same\0two', 1, 0));
});

test('an unpaired surrogate is text like any other', () => {
  for (const title of ['\ud83d', 'before \udd25 after', '\udd25\ud83d']) {
    startProfiling(title);
    assert.ok(stopProfiling(title, 1, 0));
  }
});

test('thread ids are any integer', () => {
  for (const threadId of [0, 1, 4_294_967_295]) {
    startProfiling('thread');
    const { samples } = stopProfiling('thread', 1, threadId);
    assert.ok(samples.every(({ thread_id }) => thread_id === String(threadId)));
  }
});

test('resources are listed only on request', () => {
  for (const [args, listed] of [
    [[], false],
    [[false], false],
    [[undefined], false],
    [[true], true],
  ]) {
    startProfiling('resources');
    busy(40);
    const { resources } = stopProfiling('resources', 1, 0, ...args);
    assert.ok(Array.isArray(resources));
    assert.equal(resources.length > 0, listed, `collectResources ${args}`);
  }
});

test('getFrameModule wants a string', () => {
  assert.throws(() => getFrameModule(), { code: 'NAPI_ERROR' });
  for (const path of NOT_STRINGS) {
    assert.throws(() => getFrameModule(path), { code: 'NAPI_ERROR' });
  }
});

/** Paths and what their modules are called here, by the peer and by the SDK, which names the frames of errors. */
const MODULES = {
  'x.js': 'x',
  '/x.js': ':x',
  '/app/index.js': 'app:index',
  '/home/user/app/lib/server.js': 'home.user.app.lib:server',
  '/app/node_modules/pg/lib/client.js': 'pg.lib:client',
  '/app/node_modules/a/node_modules/@scope/b/index.js': '@scope.b:index',
  '/app/x_node_modules/lib/index.js': 'lib:index',
  '/app/node_modules_x/lib/index.js': 'app.node_modules_x.lib:index',
  'relative/dir/file.js': 'relative.dir:file',
  './file.js': ':file',
  '/app/über/файл.js': 'app.über:файл',
  '/app/.hidden/index.js': 'app..hidden:index',
  // Another extension is part of the name: a function stays in its group when a service comes from the peer.
  '/app/index.ts': 'app:index.ts',
  '/app/index.mts': 'app:index.mts',
  '/app/index.cts': 'app:index.cts',
  '/app/index.jsx': 'app:index.jsx',
  '/app/index.tsx': 'app:index.tsx',
  '/app/index.d.ts': 'app:index.d.ts',
  '/app/index.json': 'app:index.json',
  '/app/index.JS': 'app:index.JS',
  '/app/index.min.js': 'app:index.min',
  '/app/index': 'app:index',
  'node:fs': 'node:fs',
  'node:internal/modules/cjs/loader': 'node:internal.modules.cjs:loader',
  'evalmachine.<anonymous>': 'evalmachine.<anonymous>',
  '[eval]': '[eval]',
};

/** Where the peer's names are not worth having: it aborts at the short ones. */
const BETTER_MODULES = {
  '': '',
  x: 'x',
  ab: 'ab',
  '/x': ':x',
  // As the SDK has it. The peer strips `.js` only.
  '/app/index.mjs': 'app:index',
  '/app/index.cjs': 'app:index',
  // The peer takes URLs for paths: `file:...app:index.mjs`.
  'file:///app/index.mjs': 'app:index',
  'file:///app/index.mjs?version=1': 'app:index',
  'file:///app/with%20space/index.mjs': 'app.with space:index',
  'file:///app/node_modules/pg/esm/index.mjs': 'pg.esm:index',
  'wasm://wasm/6b21a0d2': '',
  'data:text/javascript,export default 1': '',
  'http://localhost/app/index.js': '',
  'https://localhost/app/index.js': '',
  'blob:nodedata:6b21a0d2': '',
  'webpack-internal:///(rsc)/./app/page.js': '',
};

const named = (paths, moduleOf) => Object.fromEntries(Object.keys(paths).map(path => [path, moduleOf(path)]));

test('getFrameModule drops .js, .mjs and .cjs, and names nothing by a URL', () => {
  for (const modules of [MODULES, BETTER_MODULES]) {
    assert.deepEqual(named(modules, getFrameModule), modules);
  }
});

test('getFrameModule groups as the peer does', { skip: NO_PEER }, async t => {
  // In a process of its own, which it may end.
  const program = `
const { getFrameModule } = require(process.argv[2]);
console.log(JSON.stringify(JSON.parse(process.argv[3]).map(path => getFrameModule(path))));
`;
  const dir = project(t, { 'peer.cjs': program });
  const paths = Object.keys(MODULES);
  const { stdout } = await run(join(dir, 'peer.cjs'), { args: [PEER, JSON.stringify(paths)] });
  const ofPeer = JSON.parse(stdout);
  assert.deepEqual(named(MODULES, path => ofPeer[paths.indexOf(path)]), MODULES);
});

test('getFrameModule drops the extensions that the SDK drops', () => {
  const { createGetModuleFromFilename } = createRequire(join(SDK.dir, 'package.json'))('@sentry/node');
  const moduleOf = createGetModuleFromFilename('');
  const modules = { ...MODULES, ...BETTER_MODULES };
  const files = Object.keys(modules).filter(path => /^\/app\/(index|node_modules\/)/.test(path));
  assert.ok(files.length >= 12, `${files.length} files`);
  assert.deepEqual(files.map(moduleOf), files.map(path => modules[path]));
});
