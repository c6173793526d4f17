// Short requests in the trace lifecycle: their samples are kept, in few chunks, at little cost.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { inOrder, isIdle, samplesIn } from './support/profile.mjs';
import { retryOnce } from './support/retry.mjs';
import { runService } from './support/service.mjs';

const SPANS = 200;
/** How far a sample may seem to lie outside of its span: the profiler follows the wall clock this closely. */
const CLOCK_TOLERANCE_S = 0.002;

/**
 * 200 spans of 5 ms, 2 ms apart, of which one is spent in code that no span covers. Reports when the spans were, Unix time in
 * seconds, and what each request took beyond its work.
 */
const requests = integration => `
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

const OURS = "require('sentry-profiler-node').nodeProfilingIntegration()";

async function measure(t, integration, sdk) {
  const ingest = await startIngest(t);
  const { stdout } = await runService(t, requests(integration), { ingest, sdk });
  const envelopes = (await ingest.items()).filter(({ header }) => header.type === 'profile_chunk');
  return { ...JSON.parse(stdout), chunks: inOrder(envelopes.map(({ payload }) => payload)) };
}

/** The samples that lie in no span, and the pairs of samples of two spans between which nothing says that the first span ended. */
function outsiders({ profile }, spans) {
  const spanOf = ({ timestamp }) =>
    spans.findIndex(([from, to]) => timestamp >= from - CLOCK_TOLERANCE_S && timestamp <= to + CLOCK_TOLERANCE_S);
  const outside = profile.samples.filter(sample => spanOf(sample) < 0);
  const unclosed = profile.samples.slice(1).filter((sample, i) => {
    const before = profile.samples[i];
    return !isIdle(profile, sample) && !isIdle(profile, before) && spanOf(sample) > spanOf(before) + 1;
  });
  return { outside, unclosed };
}

describe('short spans', () => {
  for (const sdk of SDKS) {
    test(`a burst of short requests is profiled, SDK ${sdk.major}`, { skip: sdk.skip }, t =>
      retryOnce(t, async () => {
        const { chunks, spans } = await measure(t, OURS, sdk);
        assert.ok(chunks.length >= 1 && chunks.length <= 3, `${chunks.length} chunks`);
        const hot = chunks.reduce((sum, { profile }) => sum + samplesIn(profile, 'hot').length, 0);
        t.diagnostic(`${chunks.length} chunks, ${hot} samples in the hot function`);
        assert.ok(hot >= 60, `${hot} samples in the hot function`);
        for (const chunk of chunks) {
          const { profile } = chunk;
          assert.deepEqual(samplesIn(profile, 'uncovered'), [], 'samples of code that no span covers');
          const { outside, unclosed } = outsiders(chunk, spans);
          assert.deepEqual(outside, [], 'samples outside of every span');
          assert.deepEqual(unclosed, [], 'gaps between spans that are billed to the span before');
          assert.ok(isIdle(profile, profile.samples.at(-1)), 'the last span of a chunk is closed too');
        }
      }));
  }

  test('what it adds to each request, beside the official package', async t => {
    const sdk = SDKS.filter(({ skip }) => !skip).at(-1);
    const variants = [
      ['no profiler', ''],
      ['this package', OURS],
      ['@sentry/profiling-node', "require('@sentry/profiling-node').nodeProfilingIntegration()"],
    ];
    for (const [name, integration] of variants) {
      const { median, mean, chunks } = await measureLoosely(t, integration, sdk);
      const hot = chunks.reduce((sum, { profile }) => sum + samplesIn(profile, 'hot').length, 0);
      const us = ms => `${(ms * 1000).toFixed(0)} µs`;
      t.diagnostic(`${name}: a span takes ${us(median)} (median), ${us(mean)} (mean); ${chunks.length} chunks, ${hot} hot samples`);
      assert.ok(median > 0);
    }
  });
});

/** As `measure`, but the chunks may be anything: the official package's are not all valid. */
async function measureLoosely(t, integration, sdk) {
  const ingest = await startIngest(t);
  const { stdout } = await runService(t, requests(integration), { ingest, sdk });
  const response = await fetch(`${ingest.url}/received`);
  const { envelopes } = await response.json();
  const items = envelopes.flatMap(({ items }) => items).filter(({ header }) => header.type === 'profile_chunk');
  return { ...JSON.parse(stdout), chunks: items.map(({ payload }) => payload) };
}
