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

/** What the profiler's hooks have taken of the current request, ms. */
let inHooks = 0;

/** The integration, with each hook that it registers timed. */
function timed(integration) {
  const setup = integration.setup.bind(integration);
  integration.setup = client => {
    const on = client.on.bind(client);
    client.on = (hook, callback) =>
      on(hook, (...args) => {
        const begin = performance.now();
        try {
          return callback(...args);
        } finally {
          inHooks += performance.now() - begin;
        }
      });
    setup(client);
    delete client.on;
  };
  return integration;
}

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
    integrations: PACKAGES[name] ? [timed(requireHere(PACKAGES[name]).nodeProfilingIntegration())] : [],
    tracesSampleRate: 1,
    profileSessionSampleRate: 1,
    profileLifecycle: 'trace',
  });
  work(1e6);
  const begin = performance.now();
  work(1e6);
  const rounds = Math.round((1e6 * WORK_MS) / (performance.now() - begin));
  const added = [];
  const beyondWork = [];
  for (let i = 0; i < count; i++) {
    inHooks = 0;
    const before = performance.now();
    const worked = Sentry.startSpan({ name: 'request', op: 'http.server', forceTransaction: true }, () => {
      const begin = performance.now();
      work(rounds);
      return performance.now() - begin;
    });
    beyondWork.push(performance.now() - before - worked);
    added.push(inHooks);
    await sleep(WORK_MS);
  }
  return { added: median(added), beyondWork: median(beyondWork) };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
