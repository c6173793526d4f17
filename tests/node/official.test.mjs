// The official @sentry/profiling-node, unmodified, runs on our native file.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADDON, SDK, SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { hottest, lineOf, work } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

const OFFICIAL = SERVICE.replace('sentry-profiler-node', '@sentry/profiling-node');
const env = { SENTRY_PROFILER_BINARY_PATH: ADDON };

const WORK = {
  manual: 'Sentry.profiler.startProfiler(); hot(300); Sentry.profiler.stopProfiler();',
  trace: "Sentry.startSpan({ name: 'span' }, () => hot(300));",
};

function checkHot(profile, source, file) {
  const [{ frame, samples }] = hottest(profile);
  assert.equal(frame.function, 'hot');
  assert.equal(frame.lineno, lineOf(source, 'function hot'));
  assert.equal(frame.abs_path, file);
  assert.ok(samples.length > 1, `${samples.length} samples`);
}

describe('the official integration', { concurrency: 2 }, () => {
  for (const sdk of SDKS) {
    for (const lifecycle of ['manual', 'trace']) {
      test(`SDK ${sdk.major}, ${lifecycle}`, { skip: sdk.skip }, async t => {
        const ingest = await startIngest(t);
        const source = `${OFFICIAL}
${work('hot')}
Sentry.init({
  integrations: [nodeProfilingIntegration()],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: '${lifecycle}',
  release: '1.0.0',
  environment: 'test',
});
${WORK[lifecycle]}
Sentry.close();
`;
        const { file } = await runService(t, source, { ingest, sdk, env });
        const chunks = await ingest.chunks();
        assert.equal(chunks.length, 1);
        checkHot(chunks[0].profile, source, file);
        assert.deepEqual(Object.keys(chunks[0].measurements).sort(), ['cpu_usage', 'memory_footprint']);
      });
    }
  }

  const [sdk10] = SDKS;
  test('SDK 10, transaction profiling', { skip: sdk10.skip }, async t => {
    const ingest = await startIngest(t);
    const source = `${OFFICIAL}
${work('hot')}
Sentry.init({ integrations: [nodeProfilingIntegration()], tracesSampleRate: 1, profilesSampleRate: 1, release: '1.0.0' });
Sentry.startSpan({ name: 'span' }, () => hot(300));
Sentry.close();
`;
    const { file } = await runService(t, source, { ingest, sdk: sdk10, env });
    const [{ profile, version }] = await ingest.payloads('profile');
    assert.equal(version, '1');
    checkHot(profile, source, file);
    assert.ok(profile.samples.every(({ elapsed_since_start_ns: elapsed }) => /^\d+$/.test(elapsed)));
  });

  test('a running profile does not keep the process alive', async t => {
    const ingest = await startIngest(t);
    await runService(
      t,
      `${OFFICIAL}
Sentry.init({ integrations: [nodeProfilingIntegration()], profileSessionSampleRate: 1 });
Sentry.profiler.startProfiler();
`,
      { ingest, sdk: SDK, env },
    );
  });
});
