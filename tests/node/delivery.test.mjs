// All samples reach the ingest: when a chunk is full, at flush, at close and at the end of the process.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SDK, SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { hottest, samplesIn } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

const LIFECYCLES = ['manual', 'trace'];

/** How a service starts to record in each lifecycle, without stopping. */
const BEGIN = {
  manual: 'Sentry.profiler.startProfiler();',
  trace: "Sentry.startInactiveSpan({ name: 'never ends' });",
};

/** A service that records `busy('work')`, then runs `end`. */
const recording = (lifecycle, end, { tuning = {}, options = {} } = {}) => `${SERVICE}
Sentry.init({
  integrations: [nodeProfilingIntegration(${JSON.stringify(tuning)})],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: '${lifecycle}',
  ...${JSON.stringify(options)},
});
async function main() {
  ${BEGIN[lifecycle]}
  busy('work')(200);
  ${end}
}
main();
`;

describe('delivery', { concurrency: 2 }, () => {
  for (const sdk of SDKS) {
    for (const lifecycle of LIFECYCLES) {
      test(`close delivers what records, ${lifecycle}, SDK ${sdk.major}`, { skip: sdk.skip }, async t => {
        const ingest = await startIngest(t);
        // Exit at once: everything must be sent when `close` returns.
        await runService(t, recording(lifecycle, 'await Sentry.close(); process.exit();'), { ingest, sdk });
        const chunks = await ingest.chunks();
        assert.ok(chunks.length >= 1);
        assert.equal(hottest(chunks[0].profile)[0].frame.function, 'work');
      });
    }
  }

  for (const lifecycle of LIFECYCLES) {
    test(`flush delivers what was recorded until then, and recording goes on, ${lifecycle}`, async t => {
      const ingest = await startIngest(t);
      const end = `
  await Sentry.flush();
  const response = await fetch(process.argv[2] + '/received');
  const { envelopes } = await response.json();
  const chunks = envelopes.flatMap(({ items }) => items).filter(({ header }) => header.type === 'profile_chunk');
  console.log('received by then:', chunks.length);
  busy('later')(200);
  await Sentry.flush();
  process.exit();
`;
      const { stdout } = await runService(t, recording(lifecycle, end), { ingest, args: [ingest.url] });
      assert.match(stdout, /received by then: 1\n/);
      const [first, ...others] = (await ingest.chunks()).map(({ profile }) => profile);
      assert.ok(samplesIn(first, 'work').length > 0);
      assert.ok(others.some(profile => samplesIn(profile, 'later').length > 0));
      assert.ok(
        others.every(profile => samplesIn(profile, 'work').length === 0),
        'no sample is sent twice',
      );
    });

    test(`a process that ends by itself delivers what records, once, ${lifecycle}`, async t => {
      const ingest = await startIngest(t);
      const end = "process.on('beforeExit', () => console.log('beforeExit'));";
      const { stdout } = await runService(t, recording(lifecycle, end), { ingest });
      const chunks = await ingest.chunks();
      assert.equal(chunks.length, 1);
      assert.equal(hottest(chunks[0].profile)[0].frame.function, 'work');
      // Sending keeps the process alive for a while, so the event is emitted more than once, but not endlessly.
      assert.ok(stdout.split('beforeExit').length - 1 <= 5, stdout);
    });
  }

  test('spans that were active when a process seemed to end do not keep the profiler busy for ever', async t => {
    const ingest = await startIngest(t);
    const end = `
  process.once('beforeExit', () => {
    setTimeout(() => {
      Sentry.startSpan({ name: 'later' }, () => busy('later')(200));
      busy('uncovered')(200);
    });
  });`;
    await runService(t, recording('trace', end), { ingest });
    const chunks = await ingest.chunks();
    const samples = name => chunks.flatMap(({ profile }) => samplesIn(profile, name));
    assert.ok(samples('work').length > 0);
    assert.ok(samples('later').length > 0);
    assert.deepEqual(samples('uncovered'), []);
  });

  test('chunks are sent as they fill up', async t => {
    const ingest = await startIngest(t);
    const end = `
  const end = Date.now() + 2_000;
  while (Date.now() < end) {
    busy('rotation')(50);
    await sleep(1);
  }
  process.exit();
`;
    await runService(t, recording('manual', end, { tuning: { chunkDurationMs: 500 } }), { ingest });
    const chunks = await ingest.chunks();
    assert.ok(chunks.length >= 3, `${chunks.length} chunks of half a second in two seconds`);
    assert.equal(new Set(chunks.map(({ chunk_id }) => chunk_id)).size, chunks.length);
    assert.equal(new Set(chunks.map(({ profiler_id }) => profiler_id)).size, 1);
    const times = chunks.flatMap(({ profile }) => profile.samples.map(({ timestamp }) => timestamp));
    assert.equal(new Set(times).size, times.length, 'no sample is sent twice');
  });

  test('after a span, its chunk is sent without a flush', async t => {
    const ingest = await startIngest(t);
    await runService(
      t,
      `${SERVICE}
Sentry.init({
  integrations: [nodeProfilingIntegration({ quietMs: 100 })],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
});
Sentry.startSpan({ name: 'span' }, () => busy('work')(200));
setTimeout(() => process.exit(), 1_500);
`,
      { ingest },
    );
    const chunks = await ingest.chunks();
    assert.equal(chunks.length, 1);
    assert.ok(samplesIn(chunks[0].profile, 'work').length > 0);
  });

  test('the envelope names the SDK and, with a tunnel, the DSN', async t => {
    for (const tunnel of [false, true]) {
      const ingest = await startIngest(t);
      const options = tunnel ? { tunnel: `${ingest.url}/api/1/envelope/` } : {};
      await runService(t, recording('manual', 'await Sentry.close();', { options }), { ingest });
      const [item] = (await ingest.items()).filter(({ header }) => header.type === 'profile_chunk');
      assert.equal(item.header.platform, 'node');
      const { event_id: eventId, sent_at: sentAt, sdk, dsn, ...rest } = item.envelope;
      assert.match(eventId, /^[0-9a-f]{32}$/);
      assert.ok(Math.abs(Date.parse(sentAt) - Date.now()) < 60_000);
      assert.deepEqual(sdk, item.payload.client_sdk);
      assert.equal(dsn, tunnel ? ingest.dsn : undefined);
      assert.deepEqual(rest, {});
    }
  });

  test('clients that come and go leave no listener behind', async t => {
    const ingest = await startIngest(t);
    const { stdout } = await runService(
      t,
      `${SERVICE}
const listeners = () => process.listenerCount('beforeExit');
const cycle = async integrations => {
  const before = listeners();
  for (let i = 0; i < 5; i++) {
    Sentry.init({ integrations: integrations(), defaultIntegrations: false, profileSessionSampleRate: 1 });
    Sentry.profiler.startProfiler();
    await Sentry.close();
  }
  return listeners() - before;
};
async function main() {
  const ofSdk = await cycle(() => []);
  console.log('left behind:', (await cycle(() => [nodeProfilingIntegration()])) - ofSdk);
}
main();
`,
      { ingest },
    );
    assert.equal(stdout, 'left behind: 0\n');
  });

  test('process.exit, an uncaught error and a signal end a service that records', async t => {
    const ingest = await startIngest(t);
    const ends = [
      ['process.exit(3);', 3],
      ["setImmediate(() => { throw new Error('on purpose'); });", 1],
      ["process.once('SIGTERM', () => process.exit(4)); process.kill(process.pid, 'SIGTERM'); await sleep(10_000);", 4],
    ];
    for (const [i, [end, code]] of ends.entries()) {
      await runService(t, recording(LIFECYCLES[i % 2], end), { ingest, sdk: SDK, code });
    }
    // The chunks that were sent by then are valid.
    await ingest.chunks();
  });
});
