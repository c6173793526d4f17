'use strict';
// The real SDK in the trace lifecycle, from the folder where the program runs, with a profiler's integration.

const { createRequire } = require('node:module');
const { join } = require('node:path');

const requireHere = createRequire(join(process.cwd(), 'package.json'));
const PACKAGES = {
  ours: 'sentry-profiler-node',
  'ours, early': 'sentry-profiler-node',
  'ours, lazy': 'sentry-profiler-node',
  peer: '@sentry/profiling-node',
};

/** Sets the SDK up and returns it. `changed` may change the profiler's integration, if there is one. */
function init(name, tuning, changed = integration => integration) {
  const Sentry = requireHere('@sentry/node');
  const integrations = PACKAGES[name] ? [changed(requireHere(PACKAGES[name]).nodeProfilingIntegration(tuning))] : [];
  Sentry.init({
    dsn: 'http://public@127.0.0.1:9/1',
    // Serializes like the SDK's transport but sends nothing.
    transport: options => Sentry.createTransport(options, async () => ({})),
    integrations,
    tracesSampleRate: 1,
    profileSessionSampleRate: 1,
    profileLifecycle: 'trace',
  });
  return Sentry;
}

module.exports = { init, requireHere };
