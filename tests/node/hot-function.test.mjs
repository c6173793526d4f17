// A hot function in a span, in trace lifecycle: the profile must have its name and position, and a link to the span.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SDK, SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { hottest, lineOf, work } from './support/profile.mjs';
import { runService } from './support/service.mjs';

const IMPORTS = {
  'service.cjs': `
const Sentry = require('@sentry/node');
const { nodeProfilingIntegration } = require('sentry-profiler-node');
`,
  'service.mjs': `
import * as Sentry from '@sentry/node';
import { nodeProfilingIntegration } from 'sentry-profiler-node';
`,
};

const service = (name, traceLifecycle) => `${IMPORTS[name]}
Sentry.init({
  integrations: [nodeProfilingIntegration()],
  release: 'shop@1.2.3',
  environment: 'staging',
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
  traceLifecycle: '${traceLifecycle}',
});

${work('checkout')}

async function main() {
  await Sentry.startSpan({ name: 'POST /checkout' }, async () => {
    Sentry.startSpan({ name: 'child' }, () => checkout(400));
    await new Promise(resolve => setTimeout(resolve, 20));
    checkout(200);
  });
  await Sentry.close();
}
main();
`;

const SPAN_TIME_TOLERANCE_S = 0.05;

/** Checks the service's only chunk and returns its payload. */
async function theChunk(ingest, { file }, source) {
  const chunks = await ingest.chunks();
  assert.equal(chunks.length, 1);
  const [chunk] = chunks;
  assert.equal(chunk.platform, 'node');
  assert.equal(chunk.version, '2');
  assert.equal(chunk.release, 'shop@1.2.3');
  assert.equal(chunk.environment, 'staging');
  assert.equal(chunk.client_sdk.name, 'sentry.javascript.node');
  assert.match(chunk.client_sdk.version, /^\d+\.\d+\.\d+/);
  assert.deepEqual(chunk.profile.thread_metadata, { 0: { name: 'main' } });
  assert.ok(chunk.profile.samples.every(({ thread_id }) => thread_id === '0'));
  const [{ frame, samples }] = hottest(chunk.profile);
  assert.equal(frame.function, 'checkout');
  assert.equal(frame.lineno, lineOf(source, 'function checkout'));
  assert.equal(frame.abs_path, file);
  assert.equal(frame.in_app, true);
  assert.ok(samples.length >= 10, `${samples.length} samples of the hot function`);
  return { chunk, samples };
}

function assertWithin(samples, span) {
  for (const { timestamp } of samples) {
    assert.ok(
      timestamp >= span.start - SPAN_TIME_TOLERANCE_S && timestamp <= span.end + SPAN_TIME_TOLERANCE_S,
      `${timestamp} is not in the span, ${span.start} to ${span.end}`,
    );
  }
}

const TRANSACTIONS = [...SDKS.map(sdk => ({ sdk, name: 'service.cjs' })), { sdk: SDK, name: 'service.mjs' }];

describe('a hot function', { concurrency: 2 }, () => {
  for (const { sdk, name } of TRANSACTIONS) {
    test(`a transaction of SDK ${sdk.major} and its profile, ${name}`, { skip: sdk.skip }, async t => {
      const ingest = await startIngest(t);
      const source = service(name, 'static');
      const result = await runService(t, source, { ingest, sdk, name });

      const { chunk, samples } = await theChunk(ingest, result, source);
      const [transaction] = await ingest.payloads('transaction');
      assert.equal(transaction.contexts.profile.profiler_id, chunk.profiler_id);
      assert.equal(transaction.contexts.trace.data['thread.id'], '0');
      assert.equal(transaction.contexts.trace.data['thread.name'], 'main');
      assert.equal(transaction.spans.length, 1);
      assert.equal(transaction.spans[0].data['thread.id'], '0');
      assert.equal(transaction.spans[0].data['thread.name'], 'main');
      assertWithin(samples, { start: transaction.start_timestamp, end: transaction.timestamp });
    });
  }

  for (const sdk of SDKS) {
    test(`streamed spans of SDK ${sdk.major} and their profile`, { skip: sdk.skip }, async t => {
      const ingest = await startIngest(t);
      const source = service('service.cjs', 'stream');
      const result = await runService(t, source, { ingest, sdk });

      const { chunk, samples } = await theChunk(ingest, result, source);
      const spans = (await ingest.payloads('span')).flatMap(({ items }) => items);
      assert.deepEqual(spans.map(({ name }) => name).sort(), ['POST /checkout', 'child']);
      for (const { attributes } of spans) {
        assert.equal(attributes['sentry.profiler_id'].value, chunk.profiler_id);
        assert.equal(attributes['thread.id'].value, '0');
        assert.equal(attributes['thread.name'].value, 'main');
      }
      const segment = spans.find(span => span.is_segment);
      assertWithin(samples, { start: segment.start_timestamp, end: segment.end_timestamp });
    });
  }

  test('an error event names its profile and thread', async t => {
    const ingest = await startIngest(t);
    await runService(
      t,
      `${IMPORTS['service.cjs']}
Sentry.init({ integrations: [nodeProfilingIntegration()], profileSessionSampleRate: 1 });
Sentry.captureException(new Error('on purpose'));
Sentry.close();
`,
      { ingest },
    );
    const [event] = await ingest.payloads('event');
    assert.match(event.contexts.profile.profiler_id, /^[0-9a-f]{32}$/);
    assert.equal(event.contexts.trace.data['thread.id'], '0');
  });
});
