'use strict';
// How long a package takes to load after the SDK: node require.cjs PROFILER, in the folder where both are installed.

const { createRequire } = require('node:module');
const { join } = require('node:path');

const PACKAGES = { ours: 'sentry-profiler-node', peer: '@sentry/profiling-node' };
const requireHere = createRequire(join(process.cwd(), 'package.json'));
requireHere('@sentry/node');

const begin = performance.now();
const { getFrameModule } = requireHere(PACKAGES[process.argv[2]]);
const loaded = performance.now() - begin;
// Ours loads its native file and makes V8's profiler on the first call.
getFrameModule?.('/app/index.js');
console.log(JSON.stringify({ require: loaded, ready: performance.now() - begin }));
process.exit();
