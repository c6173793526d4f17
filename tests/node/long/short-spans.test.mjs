// What the profiler adds to a short request, compared with the official package. Prints figures; checks none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SDK } from '../support/environment.mjs';
import { startIngest } from '../support/ingest.mjs';
import { samplesIn } from '../support/profile.mjs';
import { runService } from '../support/service.mjs';
import { OURS, requests } from '../support/short-spans.mjs';

/** Does not require valid chunks, because some of the official package's are not. */
async function measure(t, integration) {
  const ingest = await startIngest(t);
  const { stdout } = await runService(t, requests(integration), { ingest, sdk: SDK });
  const response = await fetch(`${ingest.url}/received`);
  const { envelopes } = await response.json();
  const items = envelopes.flatMap(({ items }) => items).filter(({ header }) => header.type === 'profile_chunk');
  return { ...JSON.parse(stdout), chunks: items.map(({ payload }) => payload) };
}

test('what it adds to each request, compared with the official package', async t => {
  const variants = [
    ['no profiler', ''],
    ['this package', OURS],
    ['@sentry/profiling-node', "require('@sentry/profiling-node').nodeProfilingIntegration()"],
  ];
  for (const [name, integration] of variants) {
    const { median, mean, chunks } = await measure(t, integration);
    const hot = chunks.reduce((sum, { profile }) => sum + samplesIn(profile, 'hot').length, 0);
    const us = ms => `${(ms * 1000).toFixed(0)} µs`;
    t.diagnostic(
      `${name}: a span takes ${us(median)} (median), ${us(mean)} (mean); ${chunks.length} chunks, ${hot} hot samples`,
    );
    assert.ok(median > 0 && (name === 'no profiler' || chunks.length > 0));
  }
});
