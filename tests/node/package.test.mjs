// The installed package: what it loads, what it exports, its types, and bundles with it.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { ADDON, PACKAGE, requireTool, SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { hottest, work } from './support/profile.mjs';
import { project, run } from './support/service.mjs';

test('it is small and has no dependencies', () => {
  const files = readdirSync(PACKAGE, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());
  assert.ok(files.length < 20, `${files.length} files`);
  const manifest = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
    assert.equal(manifest.scripts?.[script], undefined, `no ${script} script`);
  }
});

test('requiring it loads one file, but neither the SDK nor the native file', async t => {
  const dir = project(t, {
    'load.cjs': `
require('sentry-profiler-node');
console.log(JSON.stringify(Object.keys(require.cache)));
`,
  });
  const { stdout } = await run(join(dir, 'load.cjs'));
  const [self, ...others] = JSON.parse(stdout);
  assert.equal(self, join(dir, 'load.cjs'));
  assert.equal(others.length, 1, stdout);
  assert.match(others[0], /\/dist\/index\.js$/);
});

test('the package writes every message that the README explains', () => {
  const [, troubleshooting] = readFileSync(join(PACKAGE, 'README.md'), 'utf8').split('## Troubleshooting');
  const lines = [...troubleshooting.matchAll(/^\| `(.+?)` \|/gm)].map(([, line]) => line);
  assert.ok(lines.length > 20, `${lines.length} lines`);
  const code = readFileSync(join(PACKAGE, 'dist/index.js'), 'utf8');
  assert.deepEqual(
    lines.filter(line => !code.includes(line)),
    [],
  );
});

test('import and require give the same thing', async t => {
  const dir = project(t, {
    'both.mjs': `
import * as imported from 'sentry-profiler-node';
import { createRequire } from 'node:module';
const required = createRequire(import.meta.url)('sentry-profiler-node');
const names = Object.keys(imported).filter(name => !['default', 'module.exports'].includes(name));
console.log(JSON.stringify({ names, same: names.every(name => imported[name] === required[name]) }));
`,
  });
  const { stdout } = await run(join(dir, 'both.mjs'));
  assert.deepEqual(JSON.parse(stdout), {
    names: [
      'ProfilerUnavailableError',
      'getFrameModule',
      'nodeProfilingIntegration',
      'profile',
      'profilerSupport',
      'startProfiling',
      'stopProfiling',
      'stopProfilingAsync',
    ],
    same: true,
  });
});

test('profiles without Sentry', async t => {
  const dir = project(t, {
    'profile.mjs': `
import { startProfiling, stopProfiling, getFrameModule } from 'sentry-profiler-node';
${work('burn')}
const results = {};
const record = (name, ...args) => {
  startProfiling('title');
  burn(100);
  const { samples, resources } = stopProfiling('title', ...args);
  results[name] = [Object.keys(samples[0]).sort()[0], samples[0].thread_id, resources.length > 0];
};
record('defaults');
record('chunk', { format: 'chunk' });
record('thread', { format: 'thread', threadId: 7, collectResources: true });
record('native thread', 0);
record('native chunk', 1, 7, true);
results.module = getFrameModule('/app/lib/db.js');
results.unknown = stopProfiling('unknown');
for (const bad of [{ format: 'jpeg' }, 'chunk', null]) {
  try {
    stopProfiling('title', bad);
  } catch ({ code, message }) {
    results[JSON.stringify(bad)] = [code, message];
  }
}
console.log(JSON.stringify(results));
`,
  });
  const { stdout } = await run(join(dir, 'profile.mjs'));
  const noFormat = ['NAPI_ERROR', 'StopProfiling expects a format type as second argument.'];
  assert.deepEqual(JSON.parse(stdout), {
    defaults: ['stack_id', '0', false],
    chunk: ['stack_id', '0', false],
    thread: ['elapsed_since_start_ns', '7', true],
    'native thread': ['elapsed_since_start_ns', '0', false],
    'native chunk': ['stack_id', '7', true],
    module: 'app.lib:db',
    unknown: null,
    '{"format":"jpeg"}': [
      'NAPI_ERROR',
      "format must be 'chunk' or 'thread' or 'cpuprofile' or 'pprof' or 'folded' or 'flamegraph' or 'html' or 'markdown', got 'jpeg'",
    ],
    '"chunk"': noFormat,
    null: noFormat,
  });
});

const TYPED = `
import * as Sentry from '@sentry/node';
import {
  type ChunkProfile,
  getFrameModule,
  nodeProfilingIntegration,
  profile,
  profilerSupport,
  ProfilerUnavailableError,
  startProfiling,
  stopProfiling,
  stopProfilingAsync,
  type ThreadProfile,
} from 'sentry-profiler-node';

Sentry.init({
  integrations: [nodeProfilingIntegration(), nodeProfilingIntegration({ chunkDurationMs: 1_000 })],
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
});
Sentry.addIntegration(nodeProfilingIntegration());

startProfiling('title');
const chunk: ChunkProfile | null = stopProfiling('title');
const same: ChunkProfile | null = stopProfiling('title', { format: 'chunk', threadId: 1 });
const thread: ThreadProfile | null = stopProfiling('title', { format: 'thread' });
const native: ThreadProfile | null = stopProfiling('title', 0, 0, true);
const text: string | null = stopProfiling('title', { format: 'html' });
const bytes: Uint8Array | null = stopProfiling('title', { format: 'pprof' });
const later: Promise<string | null> = stopProfilingAsync('title', { format: 'cpuprofile' });
startProfiling('title', { intervalUs: 1_000, maxSamples: 100 });
export const ran: Promise<{ value: number; profile: string }> = profile(async () => 1, { format: 'folded' });
export const all = [text, bytes, later];
export const time: number | undefined = chunk?.samples[0]?.timestamp ?? same?.samples[0]?.timestamp;
export const elapsed: string | undefined = (thread ?? native)?.samples[0]?.elapsed_since_start_ns;
export const module: string = getFrameModule('/x.js');
export const reason: string | null = profilerSupport().reason;
export const code = (error: unknown) => (error instanceof ProfilerUnavailableError ? error.code : undefined);

// @ts-expect-error there is no such format
stopProfiling('title', { format: 'jpeg' });
// @ts-expect-error there is no such option
nodeProfilingIntegration({ sampleRate: 1 });
`;

const onlyOnce = process.versions.node.startsWith('22.')
  ? false
  : 'types do not depend on Node and are checked on Node 22';

for (const sdk of SDKS) {
  test(`its types fit SDK ${sdk.major}, as ES module and as CommonJS`, { skip: sdk.skip || onlyOnce }, async t => {
    const compilerOptions = {
      module: 'Node16',
      moduleResolution: 'Node16',
      target: 'ES2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      // Check our package's types, not those of others.
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [join(dirname(requireTool.resolve('@types/node/package.json')), '..')],
      preserveSymlinks: false,
    };
    const files = { 'service.mts': TYPED, 'service.cts': TYPED };
    const dir = project(
      t,
      { ...files, 'tsconfig.json': JSON.stringify({ compilerOptions, files: Object.keys(files) }) },
      sdk,
    );
    const { stdout } = await run(requireTool.resolve('typescript/bin/tsc'), { args: ['-p', dir] });
    assert.equal(stdout, '');
  });
}

const BUNDLED = `
import * as Sentry from '@sentry/node';
import { nodeProfilingIntegration } from 'sentry-profiler-node';
Sentry.init({ integrations: [nodeProfilingIntegration()], profileSessionSampleRate: 1 });
${work('burn')}
Sentry.profiler.startProfiler();
burn(200);
Sentry.close();
`;

/** The options of esbuild for a service: our package goes into the bundle, the SDK stays outside. */
const bundleOptions = dir => ({
  absWorkingDir: dir,
  entryPoints: ['service.mjs'],
  bundle: true,
  platform: 'node',
  target: 'node18',
  external: ['@sentry/node'],
  logLevel: 'silent',
});

/** Gives bundled ES modules a \`require\`, which the SDK's own dependencies need too. */
const REQUIRE_BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

for (const format of ['cjs', 'esm']) {
  test(`a bundle with the native file next to it, ${format}`, async t => {
    const ingest = await startIngest(t);
    const dir = project(t, { 'service.mjs': BUNDLED });
    const extension = { cjs: 'cjs', esm: 'mjs' }[format];
    const { errors, warnings } = await requireTool('esbuild').build({
      ...bundleOptions(dir),
      format,
      outfile: join(dir, `out/bundle.${extension}`),
      loader: { '.node': 'copy' },
      ...(format === 'esm' && { banner: { js: REQUIRE_BANNER } }),
    });
    assert.deepEqual({ errors, warnings }, { errors: [], warnings: [] });
    const natives = folder => readdirSync(folder).filter(name => name.endsWith('.node')).length;
    assert.equal(natives(join(dir, 'out')), natives(PACKAGE), 'it has the files that the package has');

    const { stderr } = await run(join(dir, `out/bundle.${extension}`), { env: { SENTRY_DSN: ingest.dsn } });
    assert.equal(stderr, '');
    const [{ profile }] = await ingest.chunks();
    assert.equal(hottest(profile)[0].frame.function, 'burn');
  });
}

test('a bundle without the native file loads SENTRY_PROFILER_BINARY_PATH, and says what to do without it', async t => {
  const ingest = await startIngest(t);
  const dir = project(t, { 'service.mjs': BUNDLED });
  const bundle = join(dir, 'bundle.cjs');
  await requireTool('esbuild').build({
    ...bundleOptions(dir),
    format: 'cjs',
    outfile: bundle,
    external: ['@sentry/node', '*.node'],
  });

  const { stderr } = await run(bundle, { env: { SENTRY_DSN: ingest.dsn } });
  assert.match(stderr, /This service is bundled, .* out of the bundle's reach: .* set SENTRY_PROFILER_BINARY_PATH/);
  assert.deepEqual(await ingest.chunks(), []);

  await run(bundle, { env: { SENTRY_DSN: ingest.dsn, SENTRY_PROFILER_BINARY_PATH: ADDON } });
  const [{ profile }] = await ingest.chunks();
  assert.equal(hottest(profile)[0].frame.function, 'burn');
});
