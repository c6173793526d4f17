// However a profiled process ends, it does not crash, and all that can be delivered is.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { samplesIn } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

/** A service that starts to record. */
const beginning = (lifecycle, tuning) => `${SERVICE}
Sentry.init({
  integrations: [nodeProfilingIntegration(${JSON.stringify(tuning)})],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: '${lifecycle}',
});
async function main() {
  ${lifecycle === 'manual' ? 'Sentry.profiler.startProfiler();' : "Sentry.startInactiveSpan({ name: 'never ends' });"}
`;

/** A service that records `first` until three chunks are sent, then records `last` and ends in the given way. */
const ending = (lifecycle, end) => `${beginning(lifecycle, { chunkDurationMs: 500 })}
  const received = async () => {
    const response = await fetch(process.argv[2] + '/received');
    const { envelopes } = await response.json();
    return envelopes.flatMap(({ items }) => items).filter(({ header }) => header.type === 'profile_chunk').length;
  };
  while ((await received()) < 3) {
    busy('first')(100);
  }
  busy('last')(300);
  ${end}
}
main();
`;

/** Ways to end; `last` says whether the process has time to send what it records at the end. */
const ENDS = [
  { name: 'the event loop runs dry', end: '', last: true },
  { name: 'process.exit', end: 'process.exit(3);', code: 3 },
  { name: 'process.exit in a loop that never yields', end: "busy('last')(700); process.exit(3);", code: 3 },
  { name: 'process.exitCode', end: 'process.exitCode = 4;', code: 4, last: true },
  // The SDK's handler closes the client before it exits.
  { name: 'an uncaught error', end: "setImmediate(() => { throw new Error('on purpose'); });", code: 1, last: true },
  {
    name: 'an uncaught error that nothing handles',
    end: "process.removeAllListeners('uncaughtException'); setImmediate(() => { throw new Error('on purpose'); });",
    code: 1,
  },
  {
    name: 'SIGTERM without a handler',
    end: "process.kill(process.pid, 'SIGTERM'); await sleep(10_000);",
    signal: 'SIGTERM',
  },
  {
    name: 'SIGTERM with a handler that closes',
    end: `
  process.once('SIGTERM', async () => {
    await Sentry.close();
    process.exit(5);
  });
  process.kill(process.pid, 'SIGTERM');
  await sleep(10_000);
`,
    code: 5,
    last: true,
  },
  { name: 'SIGKILL', end: "process.kill(process.pid, 'SIGKILL');", signal: 'SIGKILL' },
  { name: 'process.abort', end: 'process.abort();', signal: 'SIGABRT' },
];

describe('how a profiled process ends', { concurrency: 4 }, () => {
  for (const [i, { name, end, code, signal, last }] of ENDS.entries()) {
    const lifecycle = ['manual', 'trace'][i % 2];
    test(`${name}, ${lifecycle}`, async t => {
      const ingest = await startIngest(t);
      await runService(t, ending(lifecycle, end), { ingest, args: [ingest.url], code, signal });
      const profiles = (await ingest.chunks()).map(({ profile }) => profile);
      assert.ok(profiles.length >= 3, 'finished chunks have arrived');
      const samplesOf = name => profiles.reduce((sum, profile) => sum + samplesIn(profile, name).length, 0);
      assert.ok(samplesOf('first') >= 5, `${samplesOf('first')} samples of what ran first`);
      if (last) {
        assert.ok(samplesOf('last') >= 5, `${samplesOf('last')} samples of what ran last`);
      }
      const times = profiles.flatMap(profile => profile.samples.map(({ timestamp }) => timestamp));
      assert.equal(new Set(times).size, times.length, 'no sample is sent twice');
    });
  }

  for (const lifecycle of ['manual', 'trace']) {
    test(`a running profile does not keep the process alive, ${lifecycle}`, async t => {
      const ingest = await startIngest(t);
      const begin = Date.now();
      // The chunk lasts a minute, so waiting for its end would be noticed.
      const source = `${beginning(lifecycle, {})} busy('last')(300); } main();`;
      await runService(t, source, { ingest });
      assert.ok(Date.now() - begin < 20_000);
      const [{ profile }, ...others] = await ingest.chunks();
      assert.deepEqual(others, []);
      const samples = samplesIn(profile, 'last').length;
      assert.ok(samples >= 5, `${samples} samples of what ran last`);
    });
  }
});
