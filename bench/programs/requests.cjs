'use strict';
// The real SDK in the trace lifecycle: node requests.cjs PROFILER COUNT, from the folder where the SDK and our package are
// installed. Sequential requests, a span with 5 ms of work each, 5 ms apart.

const { createRequire } = require('node:module');
const { join } = require('node:path');
const { median } = require('./profilers.cjs');

const [name, count] = process.argv.slice(2);
const requireHere = createRequire(join(process.cwd(), 'package.json'));
const PACKAGES = { ours: 'sentry-profiler-node', peer: '@sentry/profiling-node' };

const WORK_MS = 5;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** The same work each time, however long it takes. */
function work(rounds) {
  let sum = 0;
  for (let i = 1; i < rounds; i++) sum += Math.sqrt(i) % 7;
  return sum;
}

async function main() {
  const Sentry = requireHere('@sentry/node');
  Sentry.init({
    dsn: 'http://public@127.0.0.1:9/1',
    // Serializes as the SDK does, and sends nothing.
    transport: options => Sentry.createTransport(options, async () => ({})),
    integrations: PACKAGES[name] ? [requireHere(PACKAGES[name]).nodeProfilingIntegration()] : [],
    tracesSampleRate: 1,
    profileSessionSampleRate: 1,
    profileLifecycle: 'trace',
  });
  work(1e6);
  const begin = performance.now();
  work(1e6);
  const rounds = Math.round((1e6 * WORK_MS) / (performance.now() - begin));
  const added = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    // What the work itself takes is left out: on a busy machine it varies by more than a profiler adds.
    const worked = Sentry.startSpan({ name: 'request', op: 'http.server', forceTransaction: true }, () => {
      const begin = performance.now();
      work(rounds);
      return performance.now() - begin;
    });
    added.push(performance.now() - before - worked);
    await sleep(WORK_MS);
  }
  return { added: median(added) };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
