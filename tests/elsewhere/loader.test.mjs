// Where the package cannot be loaded or finds no V8, it says why and what to do, and the service works without it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { ADDON, requireTool } from '../node/support/environment.mjs';
import { project, projectWithCopy, run } from '../node/support/service.mjs';
import { assertLoaded, assertUnavailable, LOAD, loadedBy } from '../node/support/unavailable.mjs';

/** The folder with the packages of this folder's package.json, and the program of an old Node. */
const { SENTRY_PROFILER_TEST_ELSEWHERE: INSTALLED, SENTRY_PROFILER_TEST_OLD_NODE: OLD_NODE } = process.env;
const OWN_NAME = basename(ADDON);

/** The program from the package of this architecture, the only one that npm installs. */
function programOf(...candidates) {
  const found = candidates.map(name => join(INSTALLED, 'node_modules', name)).find(existsSync);
  assert.ok(found, `one of ${candidates} is installed`);
  return found;
}

for (const [name, flags, reason] of [
  ['Deno', ['run', '--allow-all'], 'does not export V8'],
  // Deno counts native add-ons as FFI. Without that permission the message must be the same.
  ['Deno', ['run', '--allow-read', '--allow-env'], 'does not export V8'],
  ['Bun', [], 'runs JavaScriptCore'],
]) {
  test([name, ...flags].join(' '), async t => {
    const program = {
      Deno: () => programOf('@deno/linux-x64-glibc/deno', '@deno/linux-arm64-glibc/deno'),
      Bun: () => programOf('@oven/bun-linux-x64/bin/bun', '@oven/bun-linux-aarch64/bin/bun'),
    }[name]();
    const dir = projectWithCopy(t, { 'load.cjs': LOAD });
    const { stdout } = await run(join(dir, 'load.cjs'), { program, flags, cwd: dir });
    assertUnavailable(loadedBy(stdout), 'ERR_SENTRY_PROFILER_RUNTIME', `${name} `, ' cannot be profiled', reason);
  });
}

test('a Node that is too old', async t => {
  const dir = projectWithCopy(t, { 'load.cjs': LOAD });
  const { stdout } = await run(join(dir, 'load.cjs'), { program: OLD_NODE });
  assertUnavailable(
    loadedBy(stdout),
    'ERR_SENTRY_PROFILER_RUNTIME',
    'Node 18 or later is needed, and this is Node 16.',
  );
});

for (const [format, extension, why] of [
  ['es', 'mjs', 'require is not defined'],
  ['cjs', 'cjs', 'it was not copied there'],
]) {
  test(`a bundle of rollup without the native file, ${format}`, async t => {
    const require = createRequire(join(INSTALLED, 'package.json'));
    const { rollup } = require('rollup');
    const dir = projectWithCopy(t, { 'load.cjs': LOAD });
    const bundle = await rollup({
      input: join(dir, 'load.cjs'),
      plugins: [
        require('@rollup/plugin-node-resolve').nodeResolve({ preferBuiltins: true }),
        require('@rollup/plugin-commonjs')(),
      ],
      external: [/^node:/, /\.node$/],
    });
    const file = join(dir, `out/bundle.${extension}`);
    await bundle.write({ file, format });
    assertUnavailable(
      loadedBy((await run(file)).stdout),
      'ERR_SENTRY_PROFILER_BUNDLED',
      `${OWN_NAME} is out of the bundle's reach: ${why}`,
    );
    assertLoaded(loadedBy((await run(file, { env: { SENTRY_PROFILER_BINARY_PATH: ADDON } })).stdout));
  });
}

test('a single executable', async t => {
  const dir = project(t, { 'load.cjs': LOAD });
  const [main, output, config] = ['bundle.cjs', 'program', 'sea.json'].map(name => join(dir, name));
  await requireTool('esbuild').build({
    absWorkingDir: dir,
    entryPoints: ['load.cjs'],
    bundle: true,
    platform: 'node',
    outfile: main,
    external: ['*.node'],
  });
  writeFileSync(config, JSON.stringify({ main, output, disableExperimentalSEAWarning: true }));
  execFileSync(process.execPath, ['--build-sea', config]);
  const start = async env => loadedBy((await run('', { program: output, env })).stdout);
  assertUnavailable(
    await start({}),
    'ERR_SENTRY_PROFILER_BUNDLED',
    'a single executable can require modules of Node only',
  );
  assertLoaded(await start({ SENTRY_PROFILER_BINARY_PATH: ADDON }));
});
