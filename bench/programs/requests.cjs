'use strict';
// The real SDK in the trace lifecycle: node requests.cjs PROFILER PAIRS, in the folder where the SDK and our package
// are installed. Sequential requests, each a span with 5 ms of work, 5 ms apart: alternately ten that are profiled and
// ten that are not.

const { median } = require('./profilers.cjs');
const { init } = require('./sdk.cjs');

const [name, pairs] = process.argv.slice(2);

const WORK_MS = 5;
const BURST = 10;
/** How long a profiler keeps recording after the last request. Wait until it has stopped. */
const QUIET_MS = 20;
const PAUSE_MS = 100;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** The time of the profiler's hooks in the current request, ms. */
let inHooks = 0;
/** Whether the hooks are called. */
let profiled = false;

/** The integration, with hooks that are measured, and that are called for profiled requests only. */
function switched(integration) {
  const setup = integration.setup.bind(integration);
  integration.setup = client => {
    const on = client.on.bind(client);
    client.on = (hook, callback) =>
      on(hook, (...args) => {
        if (!profiled) return undefined;
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

/** A fixed amount of work. */
function work(rounds) {
  let sum = 0;
  for (let i = 1; i < rounds; i++) sum += Math.sqrt(i) % 7;
  return sum;
}

/** Runs `count` requests. Returns medians of their time, of their time without the work, and of the hooks, ms. */
async function burst(Sentry, rounds, count) {
  const times = { whole: [], beyondWork: [], hooks: [] };
  for (let i = 0; i < count; i++) {
    inHooks = 0;
    const before = performance.now();
    const worked = Sentry.startSpan({ name: 'request', op: 'http.server', forceTransaction: true }, () => {
      const begin = performance.now();
      work(rounds);
      return performance.now() - begin;
    });
    const whole = performance.now() - before;
    times.whole.push(whole);
    times.beyondWork.push(whole - worked);
    await sleep(WORK_MS);
    times.hooks.push(inHooks);
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}

/** A profiled burst and one that is not profiled. */
async function pair(Sentry, rounds, order) {
  const bursts = {};
  for (const which of order) {
    profiled = which === 'profiled';
    // The first requests start a recording and run with cold caches.
    await burst(Sentry, rounds, 2);
    bursts[which] = await burst(Sentry, rounds, BURST);
    await sleep(PAUSE_MS);
  }
  return bursts;
}

async function main() {
  const Sentry = init(name, { quietMs: QUIET_MS }, switched);
  work(1e6);
  const begin = performance.now();
  work(1e6);
  const rounds = Math.round((1e6 * WORK_MS) / (performance.now() - begin));
  const order = ['plain', 'profiled'];
  // Warm-up, while V8 still compiles.
  await pair(Sentry, rounds, order);
  const measured = [];
  for (let i = 0; i < Number(pairs); i++) measured.push(await pair(Sentry, rounds, order.reverse()));
  const added = time => median(measured.map(({ plain, profiled }) => profiled[time] - plain[time]));
  return {
    added: added('beyondWork'),
    addedToWhole: added('whole'),
    hooks: median(measured.map(({ profiled }) => profiled.hooks)),
    beyondWork: median(measured.map(({ plain }) => plain.beyondWork)),
  };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
