// The short requests that the trace lifecycle is tested and measured with.

const SPANS = 200;

/**
 * 200 spans of 5 ms, 2 ms apart, of which one is spent in code that no span covers. Reports when the spans were, Unix time in
 * seconds, and what each request took beyond its work.
 */
export const requests = integration => `
const Sentry = require('@sentry/node');
Sentry.init({
  integrations: [${integration}],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
});
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
function hot(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) sum += Math.sqrt(sum + 1);
  return sum;
}
function uncovered(ms) {
  return hot(ms);
}
/** Unix time minus performance.now(), milliseconds: at an edge of Date.now(), which has no fractions. */
function clockOffset() {
  let offset = -Infinity;
  for (let i = 0; i < 20; i++) {
    const last = Date.now();
    while (Date.now() === last);
    offset = Math.max(offset, Date.now() - performance.now());
  }
  return offset;
}
async function main() {
  const offset = clockOffset();
  const spans = [];
  const added = [];
  for (let i = 0; i < ${SPANS}; i++) {
    const from = performance.now();
    const work = Sentry.startSpan({ name: 'request' }, () => {
      const begin = performance.now();
      hot(5);
      return performance.now() - begin;
    });
    const to = performance.now();
    spans.push([from, to].map(time => (time + offset) / 1000));
    added.push(to - from - work);
    uncovered(1);
    await sleep(1);
  }
  await sleep(1500);
  await Sentry.close();
  added.sort((a, b) => a - b);
  console.log(JSON.stringify({ spans, median: added[${SPANS / 2}], mean: added.reduce((a, b) => a + b) / ${SPANS} }));
}
main();
`;

/** How a service names our integration. */
export const OURS = "require('sentry-profiler-node').nodeProfilingIntegration()";
