// The environment of the tests: the built package, an ingest, and two majors of the Sentry SDK. `cargo xtask test`
// sets it up.

import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function variable(name) {
  const value = process.env[name];
  if (!value) {
    throw new Error(
      `${name} is not set. Run these tests with \`cargo xtask test\`, which builds and sets everything they need.`,
    );
  }
  return value;
}

/** The folder of the package as published. */
export const PACKAGE = variable('SENTRY_PROFILER_TEST_PACKAGE');

/** What npm would upload. */
export const TARBALL = variable('SENTRY_PROFILER_TEST_TARBALL');

/** The folder of npm's own programs, which any Node runs. */
export const NPM = dirname(
  realpathSync(
    process.env.PATH.split(delimiter)
      .map(dir => join(dir, 'npm'))
      .find(existsSync),
  ),
);

/** The program that receives envelopes and checks every chunk. */
export const INGEST = variable('SENTRY_PROFILER_TEST_INGEST');

const [NODE_MAJOR, NODE_MINOR] = process.versions.node.split('.').map(Number);
const runsSdk11 = NODE_MAJOR > 23 || NODE_MINOR >= { 20: 19, 22: 12, 23: 2 }[NODE_MAJOR];

/** The majors of the SDK, each with its folder and, if it cannot run on this Node, the reason. */
export const SDKS = [
  { major: 10, dir: variable('SENTRY_PROFILER_TEST_SDK10'), skip: false },
  {
    major: 11,
    dir: variable('SENTRY_PROFILER_TEST_SDK11'),
    skip: runsSdk11 ? false : `SDK 11 does not support Node ${process.versions.node}`,
  },
];

/** The newest SDK that runs on this Node, for tests that do not depend on the SDK. */
export const SDK = SDKS.filter(sdk => !sdk.skip).at(-1);

/** Platform, architecture and libc, found in another way than the package finds them. */
export const TARGET = [
  process.platform,
  process.arch,
  ...(process.platform === 'linux' ? [process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'] : []),
].join('-');

/** The package's native file for this platform. */
export const ADDON = join(PACKAGE, `sentry_profiler-${TARGET}.node`);

/** The native file of `@sentry/node-cpu-profiler` for this Node. */
export const PEER = join(
  SDK.dir,
  'node_modules/@sentry/node-cpu-profiler/lib',
  basename(ADDON)
    .replace('sentry_profiler', 'sentry_cpu_profiler')
    .replace('.node', `-${process.versions.modules}.node`),
);
export const NO_PEER = existsSync(PEER)
  ? false
  : `@sentry/node-cpu-profiler has no binary for Node ${process.versions.node}`;

/** The package's development dependencies: the bundler and the TypeScript compiler. */
export const requireTool = createRequire(
  fileURLToPath(new URL('../../../bindings-node/package.json', import.meta.url)),
);
