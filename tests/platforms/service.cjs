// A service with the Sentry SDK and the package's integration. It sends chunks of two seconds to an ingest, which judges
// them, and exits while it records.

const assert = require('node:assert/strict');
const Sentry = require('@sentry/node');
const { nodeProfilingIntegration } = require('sentry-profiler-node');
const { check, end, hot } = require('./checks.cjs');

/** Where the ingest tells what it received. */
const { INGEST } = process.env;
const CHUNK_COUNT = 2;
const PATIENCE_MS = 60_000;

Sentry.init({
  dsn: process.env.DSN,
  integrations: [nodeProfilingIntegration({ chunkDurationMs: 2_000 })],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
  traceLifecycle: 'static',
});

async function received(type) {
  const { envelopes } = await (await fetch(`${INGEST}/received`)).json();
  return envelopes.flatMap(({ items }) => items).filter(({ header }) => header.type === type);
}

async function main() {
  await check('chunks arrive while the service runs', async () => {
    let chunks = [];
    await Sentry.startSpan({ name: 'POST /checkout' }, async () => {
      for (const until = Date.now() + PATIENCE_MS; chunks.length < CHUNK_COUNT && Date.now() < until; ) {
        hot(1_500);
        chunks = await received('profile_chunk');
      }
    });
    assert.ok(chunks.length >= CHUNK_COUNT, `${chunks.length} chunks`);
    return `${chunks.length} chunks`;
  });
  await check('the transaction names its profile', async () => {
    assert.ok(await Sentry.flush(PATIENCE_MS));
    const [{ payload: transaction }] = await received('transaction');
    const [{ payload: chunk }] = await received('profile_chunk');
    assert.equal(transaction.contexts.profile.profiler_id, chunk.profiler_id);
    assert.equal(transaction.contexts.trace.data['thread.id'], '0');
  });
  Sentry.startSpan({ name: 'until the end' }, () => {
    hot(100);
    end();
  });
}
main();
