// The native functions with every kind of argument. A crash of the process fails the whole file.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { ADDON, NO_PEER, PEER, SDK } from './support/environment.mjs';
import { work } from './support/profile.mjs';
import { project, run } from './support/service.mjs';

const addon = createRequire(import.meta.url)(ADDON);
const { startProfiling, stopProfiling, getFrameModule, hideFile, Session } = addon;
const busy = new Function(`return ${work('busy')}`)();

const NOT_STRINGS = [undefined, null, 0, 1n, true, {}, ['title'], Symbol('title'), () => 'title', new String('title')];

/** Asserts that a call throws this message, as an error like those of `@sentry/node-cpu-profiler`. */
function throwsNative(call, message) {
  assert.throws(call, { name: 'Error', message, code: 'NAPI_ERROR' });
}

test('startProfiling expects a string', () => {
  const message = 'TypeError: StartProfiling expects a string as first argument.';
  throwsNative(() => startProfiling(), message);
  for (const title of NOT_STRINGS) {
    throwsNative(() => startProfiling(title), message);
  }
});

test('startProfiling expects a title that is not empty', () => {
  throwsNative(
    () => startProfiling(''),
    'StartProfiling expects a non-empty string as first argument, got an empty string.',
  );
});

test('stopProfiling expects three arguments', () => {
  for (const args of [[], ['title'], ['title', 1]]) {
    throwsNative(() => stopProfiling(...args), 'StopProfiling expects at least three arguments.');
  }
});

test('stopProfiling expects a title, a format and a thread id', () => {
  for (const title of NOT_STRINGS) {
    throwsNative(() => stopProfiling(title, 1, 0), 'StopProfiling expects a string as first argument.');
  }
  throwsNative(() => stopProfiling('', 1, 0), 'StopProfiling expects a non empty string as first argument.');
  for (const format of [undefined, null, '1', 1n, true, {}]) {
    throwsNative(() => stopProfiling('title', format, 0), 'StopProfiling expects a format type as second argument.');
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

test('getFrameModule expects a string', () => {
  assert.throws(() => getFrameModule(), { code: 'NAPI_ERROR' });
  for (const path of NOT_STRINGS) {
    assert.throws(() => getFrameModule(path), { code: 'NAPI_ERROR' });
  }
});

/** Paths and their modules: the same here, in the peer, and in the SDK, which names the frames of errors. */
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
  // Other extensions stay part of the name, so functions stay in their groups when a service moves from the peer.
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

/** Where we differ from the peer, whose names are wrong here; short paths abort its process. */
const BETTER_MODULES = {
  '': '',
  x: 'x',
  ab: 'ab',
  '/x': ':x',
  // As in the SDK. The peer strips `.js` only.
  '/app/index.mjs': 'app:index',
  '/app/index.cjs': 'app:index',
  // The peer treats URLs as paths: `file:...app:index.mjs`.
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

test('getFrameModule drops .js, .mjs and .cjs, and returns no URL', () => {
  for (const modules of [MODULES, BETTER_MODULES]) {
    assert.deepEqual(named(modules, getFrameModule), modules);
  }
});

test('getFrameModule groups as the peer does', { skip: NO_PEER }, async t => {
  // In a child process, because the peer may abort.
  const program = `
const { getFrameModule } = require(process.argv[2]);
console.log(JSON.stringify(JSON.parse(process.argv[3]).map(path => getFrameModule(path))));
`;
  const dir = project(t, { 'peer.cjs': program });
  const paths = Object.keys(MODULES);
  const { stdout } = await run(join(dir, 'peer.cjs'), { args: [PEER, JSON.stringify(paths)] });
  const ofPeer = JSON.parse(stdout);
  assert.deepEqual(
    named(MODULES, path => ofPeer[paths.indexOf(path)]),
    MODULES,
  );
});

test('getFrameModule drops the extensions that the SDK drops', () => {
  const { createGetModuleFromFilename } = createRequire(join(SDK.dir, 'package.json'))('@sentry/node');
  const moduleOf = createGetModuleFromFilename('');
  const modules = { ...MODULES, ...BETTER_MODULES };
  const files = Object.keys(modules).filter(path => /^\/app\/(index|node_modules\/)/.test(path));
  assert.ok(files.length >= 12, `${files.length} files`);
  assert.deepEqual(
    files.map(moduleOf),
    files.map(path => modules[path]),
  );
});

/** Every kind of value, and how an error shows it. */
const KINDS = [
  [undefined, 'undefined'],
  [null, 'null'],
  [true, 'true'],
  [7, '7'],
  [NaN, 'NaN'],
  [-Infinity, '-Infinity'],
  [1n, 'a bigint'],
  ['text', "'text'"],
  ['x'.repeat(1000), `'${'x'.repeat(60)}…'`],
  [Symbol('symbol'), 'a symbol'],
  [{}, 'an object'],
  [Object.create(null), 'an object'],
  [new String('text'), 'an object'],
  [['text'], 'an array'],
  [() => 'text', 'a function'],
];

const SESSION = { lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main' };
const withOption = (name, value) => new Session({ ...SESSION, [name]: value }, () => {}).close();
const session = new Session(SESSION, () => {});

const isText = value => typeof value === 'string';
const isUnset = value => value == null;
const isObject = value => typeof value === 'object' && value !== null;

/** The arguments and options of our own functions: what each must be, which values are right, and a call with it. */
const ARGUMENTS = {
  path: ['a string', isText, hideFile],
  ids: ['an object', isObject, ids => session.setDebugIds(ids)],
  timeoutMs: ['a number of milliseconds, 0 or more', value => value === 7, timeout => session.flush(timeout)],
  // Objects without options belong to the next test.
  options: ['an object', isObject, options => isObject(options) || new Session(options, () => {})],
  onReady: ['a function', value => typeof value === 'function', onReady => new Session(SESSION, onReady).close()],
  lifecycle: ["'manual' or 'trace'", () => false],
  sampleRate: ['a number from 0 to 1', () => false],
  chunkDurationMs: ['a number from 100 to 60000', isUnset],
  quietMs: ['a number of milliseconds, 0 or more', value => isUnset(value) || value === 7],
  threadId: ['a string', isText],
  threadName: ['a string', isText],
  sdkName: ['a string', value => isUnset(value) || isText(value)],
  sdkVersion: ['a string', value => isUnset(value) || isText(value)],
  release: ['a string', value => isUnset(value) || isText(value)],
  environment: ['a string', value => isUnset(value) || isText(value)],
};

test('an error has the name of the argument or option, what it must be and what was given', () => {
  for (const [name, [expected, isRight, use = value => withOption(name, value)]] of Object.entries(ARGUMENTS)) {
    for (const [value, shown] of KINDS) {
      if (isRight(value)) {
        use(value);
      } else {
        throwsNative(() => use(value), `${name} must be ${expected}, got ${shown}`);
      }
    }
  }
});

test('an argument that is missing is undefined', () => {
  throwsNative(() => hideFile(), 'path must be a string, got undefined');
  throwsNative(() => session.setDebugIds(), 'ids must be an object, got undefined');
  throwsNative(() => session.flush(), 'timeoutMs must be a number of milliseconds, 0 or more, got undefined');
  throwsNative(() => new Session(), 'onReady must be a function, got undefined');
  throwsNative(() => new Session({}, () => {}), "lifecycle must be 'manual' or 'trace', got undefined");
});

test('a session is made with new, and its methods belong to it', () => {
  const message = 'Session is a class: call it with new';
  throwsNative(() => Session(SESSION, () => {}), message);
  throwsNative(() => Session.call({}, SESSION, () => {}), message);
  throwsNative(() => Session.call(session, SESSION, () => {}), message);
  for (const name of Object.getOwnPropertyNames(Session.prototype)) {
    if (name !== 'constructor') {
      assert.throws(() => Session.prototype[name].call({}), { name: 'TypeError', message: 'Illegal invocation' });
    }
  }
  // Reading any property of the prototype is harmless.
  assert.equal(Session.prototype.profilerId, undefined);
  assert.equal(Object.create(session).sampled, true);
});

test("an exception of the program's own is passed on unchanged", () => {
  const throwing = new Proxy(
    {},
    {
      get() {
        throw new RangeError('on purpose');
      },
      ownKeys() {
        throw new RangeError('on purpose');
      },
    },
  );
  const expected = { name: 'RangeError', message: 'on purpose' };
  assert.throws(() => new Session(throwing, () => {}), expected);
  assert.throws(() => session.setDebugIds(throwing), expected);
});

test('no error mentions Rust types', () => {
  const RUST = /\b(rust|napi|option|str|f64|[iu](32|64)|unwrap|inf)\b|String\b|Failed to|Expected\b|InvalidArg|`/;
  const values = KINDS.map(([value]) => value);
  const callAll = call => [() => call(), ...values.flatMap(a => [() => call(a), ...values.map(b => () => call(a, b))])];
  const functions = Object.entries(addon).filter(([, value]) => typeof value === 'function');
  const methods = Object.getOwnPropertyNames(Session.prototype).filter(
    name => !['constructor', 'close'].includes(name),
  );
  const calls = [
    ...functions.flatMap(([, call]) => callAll(call)),
    ...callAll((...args) => new Session(...args)),
    ...methods.flatMap(name => callAll((...args) => session[name](...args))),
    ...callAll((...args) => addon.stopProfiling('title', ...args)),
  ];
  let thrown = 0;
  for (const call of calls) {
    try {
      call();
    } catch ({ name, code, message }) {
      thrown += 1;
      assert.equal(code, 'NAPI_ERROR');
      assert.doesNotMatch(`${name} ${message}`, RUST);
    }
  }
  assert.ok(thrown > 500, `${thrown} errors`);
  session.stop();
});
