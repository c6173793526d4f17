// Short requests to test and measure the trace lifecycle with.

import { SAMPLING_INTERVAL_S } from './profile.mjs';

const SPANS = 200;

/**
 * 200 spans of 5 ms, 2 ms apart; 1 ms of each gap is spent in code outside spans. Reports when the spans were, in Unix
 * seconds, what each request took beyond its work, and, if asked, how many samples an inspector session took of the
 * work in spans, which is what could be sampled under the current load.
 */
export const requests = (integration, { inspected = false } = {}) => `
const { Session } = require('node:inspector');
const { promisify } = require('node:util');
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
/** Unix time minus performance.now(), milliseconds. Read when Date.now(), which has no fractions, changes. */
function clockOffset() {
  let offset = -Infinity;
  for (let i = 0; i < 20; i++) {
    const last = Date.now();
    while (Date.now() === last);
    offset = Math.max(offset, Date.now() - performance.now());
  }
  return offset;
}
async function startInspector() {
  const session = new Session();
  session.connect();
  const post = promisify(session.post.bind(session));
  await post('Profiler.enable', {});
  await post('Profiler.setSamplingInterval', { interval: ${Math.round(SAMPLING_INTERVAL_S * 1e6)} });
  await post('Profiler.start', {});
  return post;
}
/** The number of samples in the hot function within spans. */
async function stopInspector(post) {
  const { nodes } = (await post('Profiler.stop', {})).profile;
  const byId = new Map(nodes.map(node => [node.id, node]));
  const count = ({ callFrame, hitCount, children = [] }, inHot) => {
    if (callFrame.functionName === 'uncovered') return 0;
    const hot = inHot || callFrame.functionName === 'hot';
    return children.reduce((sum, id) => sum + count(byId.get(id), hot), hot ? hitCount : 0);
  };
  return count(nodes[0], false);
}
async function main() {
  const offset = clockOffset();
  const spans = [];
  const added = [];
  const inspector = ${inspected} && (await startInspector());
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
  const sampled = inspector && (await stopInspector(inspector));
  await sleep(1500);
  await Sentry.close();
  added.sort((a, b) => a - b);
  console.log(
    JSON.stringify({ spans, sampled, median: added[${SPANS / 2}], mean: added.reduce((a, b) => a + b) / ${SPANS} }),
  );
}
main();
`;

/** The expression for our integration in a service. */
export const OURS = "require('sentry-profiler-node').nodeProfilingIntegration()";
