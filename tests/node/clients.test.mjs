// Several Sentry clients in one process: each client that is used has its own session.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { samplesIn } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

/** A second client next to that of `Sentry.init`, in its own scope, as in Sentry's guide for multiple instances. */
const SECOND = `${SERVICE}
const [FIRST_DSN, SECOND_DSN] = process.argv.slice(2);
function secondClient(options) {
  const client = new Sentry.NodeClient({
    dsn: SECOND_DSN,
    transport: Sentry.makeNodeTransport,
    stackParser: Sentry.defaultStackParser,
    integrations: [nodeProfilingIntegration()],
    ...options,
  });
  const scope = new Sentry.Scope();
  scope.setClient(client);
  client.init();
  return { client, scope };
}
const TRACE = { tracesSampleRate: 1, profileSessionSampleRate: 1, profileLifecycle: 'trace' };
const MANUAL = { profileSessionSampleRate: 1 };
const first = options => Sentry.init({ dsn: FIRST_DSN, integrations: [nodeProfilingIntegration()], ...options });
`;

/** Runs a service with two clients. Returns the chunks and events of each, and a count of its samples by function. */
async function run(t, source, options = {}) {
  const ingests = [await startIngest(t), await startIngest(t)];
  const result = await runService(t, `${SECOND}\nasync function main() {\n${source}\n}\nmain();\n`, {
    args: ingests.map(({ dsn }) => dsn),
    ...options,
  });
  const [first, second] = await Promise.all(
    ingests.map(async ingest => {
      const chunks = await ingest.chunks();
      const samples = name => chunks.reduce((sum, { profile }) => sum + samplesIn(profile, name).length, 0);
      return { chunks, events: await ingest.payloads('event'), samples };
    }),
  );
  return { ...result, first, second };
}

/** Asserts that each function was recorded for one client and not for the other. */
function assertApart({ first, second }, ofFirst, ofSecond) {
  for (const [mine, other, names] of [
    [first, second, ofFirst],
    [second, first, ofSecond],
  ]) {
    for (const name of names) {
      assert.ok(mine.samples(name) >= 5, `${mine.samples(name)} samples of ${name}`);
      assert.equal(other.samples(name), 0, `${name} belongs to the other client`);
    }
  }
}

describe('two clients', { concurrency: 2 }, () => {
  for (const sdk of SDKS) {
    test(`spans are profiled for the client that they belong to, SDK ${sdk.major}`, { skip: sdk.skip }, async t => {
      const result = await run(
        t,
        `
  first(TRACE);
  const { client, scope } = secondClient(TRACE);
  Sentry.startSpan({ name: 'of the first' }, () => busy('one')(200));
  await sleep(50);
  Sentry.withScope(scope, () => Sentry.startSpan({ name: 'of the second' }, () => busy('two')(200)));
  await sleep(50);
  Sentry.startSpan({ name: 'of the first again' }, () => busy('three')(200));
  await Sentry.close();
  await client.close();
`,
        { sdk },
      );
      assertApart(result, ['one', 'three'], ['two']);
    });

    test(`Sentry.init in a scope of its own leaves the first client alone, SDK ${sdk.major}`, {
      skip: sdk.skip,
    }, async t => {
      const result = await run(
        t,
        `
  first(MANUAL);
  Sentry.profiler.startProfiler();
  let client;
  Sentry.withScope(() => {
    client = Sentry.init({ dsn: SECOND_DSN, integrations: [nodeProfilingIntegration()], profileSessionSampleRate: 0 });
    Sentry.profiler.startProfiler();
    Sentry.captureMessage('second');
  });
  busy('work')(200);
  Sentry.captureMessage('first');
  await Sentry.close();
  await client.close();
`,
        { sdk },
      );
      assertApart(result, ['work'], []);
      assert.equal(result.second.chunks.length, 0);
      const [of] = result.first.chunks;
      assert.equal(result.first.events[0].contexts.profile?.profiler_id, of.profiler_id);
      assert.equal(result.second.events[0].contexts.profile, undefined);
    });
  }

  for (const shared of [false, true]) {
    const integration = shared ? 'shared' : 'nodeProfilingIntegration()';
    test(`start and stop are the current client's, with ${shared ? 'one integration' : 'one each'}`, async t => {
      const result = await run(
        t,
        `
  const shared = nodeProfilingIntegration();
  first({ ...MANUAL, integrations: [${integration}] });
  const { client, scope } = secondClient({ ...MANUAL, integrations: [${integration}] });
  const inSecond = action => Sentry.withScope(scope, action);
  Sentry.profiler.startProfiler();
  busy('one')(150);
  inSecond(() => Sentry.profiler.startProfiler());
  busy('both')(150);
  Sentry.profiler.stopProfiler();
  busy('two')(150);
  inSecond(() => Sentry.profiler.stopProfiler());
  busy('none')(150);
  await Sentry.close();
  await client.close();
`,
      );
      assertApart(result, ['one'], ['two']);
      for (const { samples, chunks } of [result.first, result.second]) {
        assert.equal(chunks.length, 1);
        assert.ok(samples('both') >= 5);
        assert.equal(samples('none'), 0);
      }
      assert.notEqual(result.first.chunks[0].profiler_id, result.second.chunks[0].profiler_id);
    });
  }

  test('a client that is closed ends its own session only', async t => {
    const result = await run(
      t,
      `
  first(TRACE);
  const { client, scope } = secondClient(TRACE);
  Sentry.withScope(scope, () => Sentry.startSpan({ name: 'of the second' }, () => busy('two')(200)));
  await client.close();
  Sentry.startSpan({ name: 'of the first' }, () => busy('one')(200));
  // Nothing closes the first client: its samples are sent because the process ends.
`,
    );
    assertApart(result, ['one'], ['two']);
  });

  test('a span may end in the scope of the other client', async t => {
    const result = await run(
      t,
      `
  first({ ...TRACE, integrations: [nodeProfilingIntegration({ quietMs: 50 })] });
  const { client, scope } = secondClient(TRACE);
  Sentry.startSpanManual({ name: 'of the first' }, span => {
    busy('one')(200);
    Sentry.withScope(scope, () => span.end());
  });
  busy('after')(200);
  await Sentry.close();
  await client.close();
`,
    );
    assertApart(result, ['one'], []);
    assert.equal(result.first.samples('after'), 0);
  });

  test('a second Sentry.init in the same place ends the first session, also when it profiles nothing', async t => {
    const result = await run(
      t,
      `
  first(MANUAL);
  Sentry.profiler.startProfiler();
  busy('one')(200);
  Sentry.init({ dsn: SECOND_DSN, integrations: [nodeProfilingIntegration()] });
  busy('after')(200);
  await Sentry.close();
`,
    );
    assertApart(result, ['one'], []);
    assert.equal(result.first.samples('after'), 0);
    assert.equal(result.second.chunks.length, 0);
  });

  test('both are sent when the process ends', async t => {
    const result = await run(
      t,
      `
  first(MANUAL);
  const { scope } = secondClient(MANUAL);
  Sentry.profiler.startProfiler();
  Sentry.withScope(scope, () => Sentry.profiler.startProfiler());
  busy('both')(200);
`,
    );
    assert.ok(result.first.samples('both') >= 5);
    assert.ok(result.second.samples('both') >= 5);
  });
});
