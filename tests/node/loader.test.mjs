// Which native file is loaded, and the errors when none can be.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test from 'node:test';
import { ADDON, NO_PEER, PEER } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { project, run, runService, SERVICE } from './support/service.mjs';
import { assertLoaded, assertUnavailable, LOAD, loadedBy } from './support/unavailable.mjs';

const OWN_NAME = basename(ADDON);
const OLD_NAME = basename(PEER);

async function load(t, { env, files = {}, prepare = () => {} }) {
  const dir = project(t, { 'load.cjs': LOAD, ...files });
  prepare(dir);
  const { stdout, stderr } = await run(join(dir, 'load.cjs'), { env: env(dir) });
  assert.equal(stderr, '', 'the loader prints nothing');
  return { dir, ...loadedBy(stdout) };
}

test("the package's own file", async t => {
  assertLoaded(await load(t, { env: () => ({}) }));
});

test('SENTRY_PROFILER_LOGGING_MODE: eager, lazy, and a warning at anything else', async t => {
  const dir = project(t, {
    'mode.cjs': `
const { startProfiling, stopProfiling } = require('sentry-profiler-node');
for (const title of ['first', 'second']) {
  startProfiling(title);
  console.log(stopProfiling(title).profiler_logging_mode);
}
`,
  });
  const warning =
    '[Sentry] [Profiling] SENTRY_PROFILER_LOGGING_MODE must be eager or lazy, got Lazy. The mode is eager.\n';
  for (const [mode, expected] of [
    ['eager', { stdout: 'eager\neager\n', stderr: '' }],
    ['lazy', { stdout: 'lazy\nlazy\n', stderr: '' }],
    ['Lazy', { stdout: 'eager\neager\n', stderr: warning }],
  ]) {
    const { stdout, stderr } = await run(join(dir, 'mode.cjs'), { env: { SENTRY_PROFILER_LOGGING_MODE: mode } });
    assert.deepEqual({ stdout, stderr }, expected);
  }
});

test('SENTRY_PROFILER_BINARY_PATH: that file, whatever its name', async t => {
  assertLoaded(
    await load(t, {
      prepare: dir => copyFileSync(ADDON, join(dir, 'any name.bin')),
      env: dir => ({
        SENTRY_PROFILER_BINARY_PATH: join(dir, 'any name.bin'),
        // Is ignored when there is a path.
        SENTRY_PROFILER_BINARY_DIR: '/there/is/no/such/folder',
      }),
    }),
  );
});

test('SENTRY_PROFILER_BINARY_DIR: by our name, or by the one that the old package looked for', async t => {
  for (const name of [OWN_NAME, OLD_NAME]) {
    assertLoaded(
      await load(t, {
        prepare: dir => copyFileSync(ADDON, join(dir, name)),
        env: dir => ({ SENTRY_PROFILER_BINARY_DIR: dir }),
      }),
    );
  }
});

test('SENTRY_PROFILER_BINARY_DIR: our name goes first', async t => {
  assertLoaded(
    await load(t, {
      files: { [OLD_NAME]: 'of another time' },
      prepare: dir => copyFileSync(ADDON, join(dir, OWN_NAME)),
      env: dir => ({ SENTRY_PROFILER_BINARY_DIR: dir }),
    }),
  );
});

test('a file that is not there', async t => {
  const path = await load(t, { env: () => ({ SENTRY_PROFILER_BINARY_PATH: '/no/such.node' }) });
  assertUnavailable(
    path,
    'ERR_SENTRY_PROFILER_MISSING',
    '/no/such.node (SENTRY_PROFILER_BINARY_PATH) does not exist',
    `Node ${process.versions.node}`,
    'unset SENTRY_PROFILER_BINARY_PATH',
  );
  const dir = await load(t, { env: dir => ({ SENTRY_PROFILER_BINARY_DIR: dir }) });
  assertUnavailable(dir, 'ERR_SENTRY_PROFILER_MISSING', OWN_NAME, OLD_NAME, dir.dir, 'Copy');
});

test("the old package's own binary under its name", { skip: NO_PEER }, async t => {
  const result = await load(t, {
    prepare: dir => copyFileSync(PEER, join(dir, OLD_NAME)),
    env: dir => ({ SENTRY_PROFILER_BINARY_DIR: dir }),
  });
  assertUnavailable(
    result,
    'ERR_SENTRY_PROFILER_FOREIGN',
    join(result.dir, OLD_NAME),
    'the binary of @sentry/node-cpu-profiler',
    `Replace it with ${OWN_NAME}`,
  );
});

const permission = ['--permission', '--experimental-permission'].find(flag =>
  process.allowedNodeEnvironmentFlags.has(flag),
);

for (const [flags, advice] of [
  [['--no-addons'], 'Node runs with --no-addons. Start it without that flag'],
  ...(permission ? [[[permission, '--allow-fs-read=*'], 'Start it with --allow-addons']] : []),
]) {
  test(`a Node that may not load native add-ons: ${flags[0]}`, async t => {
    const dir = project(t, { 'load.cjs': LOAD });
    for (const env of [{}, { SENTRY_PROFILER_BINARY_PATH: ADDON }]) {
      const { stdout } = await run(join(dir, 'load.cjs'), { flags, env });
      assertUnavailable(loadedBy(stdout), 'ERR_SENTRY_PROFILER_DISABLED', OWN_NAME, advice);
    }
  });
}

test('Sentry.init warns once, and the service works without profiles', async t => {
  const ingest = await startIngest(t);
  const { stderr } = await runService(
    t,
    `${SERVICE}
async function main() {
  for (const profileLifecycle of ['manual', 'trace']) {
    Sentry.init({ integrations: [nodeProfilingIntegration()], tracesSampleRate: 1, profileSessionSampleRate: 1, profileLifecycle });
    Sentry.profiler.startProfiler();
    Sentry.startSpan({ name: 'span' }, () => busy('work')(20));
    Sentry.profiler.stopProfiler();
    Sentry.captureMessage(profileLifecycle);
    await Sentry.close();
  }
}
main();
`,
    { ingest, env: { SENTRY_PROFILER_BINARY_PATH: '/no/such.node' } },
  );
  const warnings = stderr.split('\n').filter(line => line.includes('[Profiling]'));
  assert.equal(warnings.length, 1, stderr);
  assert.match(warnings[0], /\/no\/such\.node .* does not exist\..* Profiling is off\.$/);
  const events = await ingest.payloads('event');
  assert.deepEqual(events.map(({ message }) => message).sort(), ['manual', 'trace']);
  assert.ok(events.every(({ contexts }) => contexts.profile === undefined));
});
