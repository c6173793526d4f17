// Short requests in the trace lifecycle: their samples are kept, in few chunks and at little cost.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { SAMPLING_INTERVAL_S, inOrder, isIdle, samplesIn } from './support/profile.mjs';
import { retryOnce } from './support/retry.mjs';
import { runService } from './support/service.mjs';
import { OURS, requests } from './support/short-spans.mjs';

/** How far a sample may appear outside its span: the profiler follows the wall clock this closely. */
const CLOCK_TOLERANCE_S = 0.002;

async function measure(t, sdk) {
  const ingest = await startIngest(t);
  const { stdout } = await runService(t, requests(OURS, { inspected: true }), { ingest, sdk });
  const envelopes = (await ingest.items()).filter(({ header }) => header.type === 'profile_chunk');
  return { ...JSON.parse(stdout), chunks: inOrder(envelopes.map(({ payload }) => payload)) };
}

/** A tick stands for one interval. The next tick comes at most this much later. */
const LONGEST_TICK_S = 1.5 * SAMPLING_INTERVAL_S;

/** The ticks outside all spans, and the pairs of ticks of two spans without an idle sample in between. */
function outsiders({ profile }, spans) {
  const inSpan = ({ timestamp }) =>
    spans.some(([from, to]) => timestamp >= from - CLOCK_TOLERANCE_S && timestamp <= to + CLOCK_TOLERANCE_S);
  const outside = profile.samples.filter(sample => !isIdle(profile, sample) && !inSpan(sample));
  // A sample belongs to the nearest span: the middles of the gaps are the borders.
  const middles = spans.slice(1).map(([from], i) => (spans[i][1] + from) / 2);
  const nearest = ({ timestamp }) => middles.filter(middle => middle < timestamp).length;
  const unclosed = profile.samples.slice(1).filter((sample, i) => {
    const before = profile.samples[i];
    const isJoined = !isIdle(profile, sample) && !isIdle(profile, before) && nearest(sample) !== nearest(before);
    return isJoined && sample.timestamp - before.timestamp > LONGEST_TICK_S;
  });
  return { outside, unclosed };
}

describe('short spans', () => {
  for (const sdk of SDKS) {
    test(`a burst of short requests is profiled, SDK ${sdk.major}`, { skip: sdk.skip }, t =>
      retryOnce(t, async () => {
        const { chunks, spans, sampled } = await measure(t, sdk);
        assert.ok(chunks.length >= 1 && chunks.length <= 3, `${chunks.length} chunks`);
        const hot = chunks.reduce((sum, { profile }) => sum + samplesIn(profile, 'hot').length, 0);
        const found = `${hot} samples in the hot function, an inspector session has ${sampled}`;
        t.diagnostic(`${chunks.length} chunks, ${found}`);
        // Spans at nearly the sampling rate are hit more or less often by chance: a quarter fewer was seen.
        assert.ok(sampled >= 30 && hot >= 0.6 * sampled, found);
        for (const chunk of chunks) {
          const { profile } = chunk;
          assert.deepEqual(samplesIn(profile, 'uncovered'), [], 'samples of code outside spans');
          const { outside, unclosed } = outsiders(chunk, spans);
          assert.deepEqual(outside, [], 'ticks outside all spans');
          assert.deepEqual(unclosed, [], 'gaps between spans that count for the span before');
          assert.ok(isIdle(profile, profile.samples.at(-1)), 'the last span of a chunk is closed too');
        }
      }),
    );
  }
});
