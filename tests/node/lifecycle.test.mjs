// When the profiler runs and when it does not: lifecycles, sampling, options, second clients.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { samplesIn } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

/** The functions in `names` that have samples in some chunk. */
function recorded(chunks, names) {
  return names.filter(name => chunks.some(({ profile }) => samplesIn(profile, name).length > 0));
}

/** The lines about profiling that `debug: true` prints. */
function debugLines({ lines }) {
  const prefix = 'Sentry Logger [log]: [Profiling] ';
  return lines.filter(line => line.startsWith(prefix)).map(line => line.slice(prefix.length));
}

function warnings({ stderr }) {
  return stderr.split('\n').filter(line => line.includes('[Profiling]'));
}

describe('lifecycles', { concurrency: 2 }, () => {
  for (const sdk of SDKS) {
    test(`manual: from start to stop and nothing else, SDK ${sdk.major}`, { skip: sdk.skip }, async t => {
      const ingest = await startIngest(t);
      const result = await runService(
        t,
        `${SERVICE}
Sentry.init({ debug: true, integrations: [nodeProfilingIntegration()], tracesSampleRate: 1, profileSessionSampleRate: 1 });
Sentry.profiler.stopProfiler();
busy('before')(150);
Sentry.profiler.startProfiler();
busy('first')(100);
Sentry.profiler.startProfiler();
busy('second')(100);
Sentry.profiler.stopProfiler();
Sentry.profiler.stopProfiler();
Sentry.startSpan({ name: 'span' }, () => busy('between')(150));
Sentry.profiler.startProfiler();
busy('third')(150);
Sentry.profiler.stopProfiler();
Sentry.close();
`,
        { ingest, sdk },
      );
      const chunks = await ingest.chunks();
      assert.equal(chunks.length, 2);
      assert.equal(new Set(chunks.map(({ chunk_id }) => chunk_id)).size, 2);
      assert.equal(new Set(chunks.map(({ profiler_id }) => profiler_id)).size, 1, 'a session has one profiler id');
      const one = chunks.find(chunk => recorded([chunk], ['first']).length > 0);
      const other = chunks.find(chunk => chunk !== one);
      const names = ['before', 'first', 'second', 'between', 'third'];
      assert.deepEqual(recorded([one], names), ['first', 'second']);
      assert.deepEqual(recorded([other], names), ['third']);
      const noOps = debugLines(result).filter(line => line.startsWith('No-op'));
      assert.deepEqual(noOps, [
        'No-op: the profiler is not running.',
        'No-op: the profiler is already running.',
        'No-op: the profiler is not running.',
      ]);
    });

    test(`trace: while a sampled span is active, SDK ${sdk.major}`, { skip: sdk.skip }, async t => {
      const ingest = await startIngest(t);
      const result = await runService(
        t,
        `${SERVICE}
Sentry.init({
  debug: true,
  integrations: [nodeProfilingIntegration({ quietMs: 50 })],
  tracesSampler: ({ name }) => (name === 'unsampled' ? 0 : 1),
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
});
async function main() {
  Sentry.profiler.startProfiler();
  busy('before')(150);
  Sentry.profiler.stopProfiler();
  // None of these spans is sent, and for some of them no end is reported.
  Sentry.startSpan({ name: 'unsampled' }, () => Sentry.startSpan({ name: 'its child' }, () => busy('unsampled')(150)));
  busy('unsampledGone')(150);
  Sentry.startSpan({ name: 'outer' }, () => {
    Sentry.startSpan({ name: 'inner' }, () => busy('inner')(150));
    Sentry.profiler.stopProfiler();
    busy('outer')(150);
  });
  await sleep(300);
  busy('after')(150);
  await Sentry.close();
}
main();
`,
        { ingest, sdk },
      );
      const chunks = await ingest.chunks();
      assert.deepEqual(recorded(chunks, ['before', 'unsampled', 'unsampledGone', 'inner', 'outer', 'after']), [
        'inner',
        'outer',
      ]);
      const noOps = debugLines(result).filter(line => line.startsWith('No-op'));
      assert.equal(noOps.length, 3);
      assert.ok(noOps.every(line => /profileLifecycle: 'trace'.*manual calls are ignored/.test(line)));
    });
  }

  test('a span that started before the profiler does not count', async t => {
    const ingest = await startIngest(t);
    await runService(
      t,
      `${SERVICE}
const options = { tracesSampleRate: 1, profileSessionSampleRate: 1, profileLifecycle: 'trace' };
Sentry.init(options);
Sentry.startSpanManual({ name: 'older than the profiler' }, async older => {
  Sentry.addIntegration(nodeProfilingIntegration({ quietMs: 50 }));
  older.end();
  Sentry.startSpanManual({ name: 'first' }, span => {
    busy('first')(150);
    span.end();
    span.end();
  });
  await sleep(300);
  busy('between')(150);
  Sentry.startSpan({ name: 'second' }, () => busy('second')(150));
  await sleep(300);
  busy('after')(150);
  await Sentry.close();
});
`,
      { ingest },
    );
    const chunks = await ingest.chunks();
    assert.deepEqual(recorded(chunks, ['first', 'between', 'second', 'after']), ['first', 'second']);
  });

  test('what turns profiling off says so and does nothing else', async t => {
    const ingest = await startIngest(t);
    const result = await runService(
      t,
      `${SERVICE}
const off = [
  ['rate 0', { profileSessionSampleRate: 0 }],
  ['no rate', {}],
  ['rate above 1', { profileSessionSampleRate: 1.5 }],
  ['rate above 1 again', { profileSessionSampleRate: 1.5 }],
  ['no number', { profileSessionSampleRate: '1' }],
  ['NaN', { profileSessionSampleRate: NaN }],
  ['unknown lifecycle', { profileSessionSampleRate: 1, profileLifecycle: 'always' }],
  ['unknown lifecycle again', { profileSessionSampleRate: 1, profileLifecycle: 'always' }],
  ['retired option', { profilesSampleRate: 1 }],
  ['retired options', { profilesSampleRate: 1, profilesSampler: () => 1 }],
];
async function main() {
  for (const [name, options] of off) {
    console.log('# ' + name);
    Sentry.init({ debug: true, dsn: process.argv[2], integrations: [nodeProfilingIntegration()], tracesSampleRate: 1, ...options });
    Sentry.profiler.startProfiler();
    Sentry.startSpan({ name: 'span' }, () => busy('work')(20));
    Sentry.captureMessage(name);
    Sentry.profiler.stopProfiler();
    await Sentry.close();
  }
}
main();
`,
      {
        args: [ingest.dsn],
        // Loading the native file would add a warning.
        env: { SENTRY_PROFILER_BINARY_PATH: '/there/is/no/such.node' },
      },
    );
    assert.deepEqual(await ingest.chunks(), []);
    const events = await ingest.payloads('event');
    assert.equal(events.length, 10);
    assert.ok(
      events.every(({ contexts }) => contexts.profile === undefined),
      'no event points to a profile',
    );
    assert.deepEqual(
      debugLines(result).map(line =>
        line.replace(/^.*: profiling is off, /i, 'off: ').replace(/^Profiling is off: /, 'off: '),
      ),
      [
        ...Array(2).fill(Array(3).fill('off: profileSessionSampleRate is 0, so the session is not sampled.')),
        ...Array(4).fill(Array(3).fill('off: profileSessionSampleRate is invalid.')),
        ...Array(2).fill(Array(3).fill('off: profileLifecycle is unknown.')),
        ...Array(2).fill(Array(3).fill('off: profileSessionSampleRate is 0, so the session is not sampled.')),
      ].flat(),
    );
    const retired =
      '[Sentry] [Profiling] The options profilesSampleRate and profilesSampler belong to transaction profiling, which is retired, ' +
      "and are ignored. Use profileSessionSampleRate with profileLifecycle: 'trace' instead.";
    assert.deepEqual(warnings(result), [
      '[Sentry] [Profiling] Sentry.profiler.startProfiler() does nothing: profileSessionSampleRate is 0 or not set, ' +
        'so nothing is profiled. Set it in Sentry.init, to 1 to profile every process.',
      '[Sentry] [Profiling] profileSessionSampleRate must be a number from 0 to 1, got 1.5. Profiling is off.',
      "[Sentry] [Profiling] profileSessionSampleRate must be a number from 0 to 1, got '1'. Profiling is off.",
      '[Sentry] [Profiling] profileSessionSampleRate must be a number from 0 to 1, got NaN. Profiling is off.',
      "[Sentry] [Profiling] profileLifecycle must be 'manual' or 'trace', got 'always'. Profiling is off.",
      retired,
    ]);
  });

  test('a session that is not sampled never records, in either lifecycle', async t => {
    const ingest = await startIngest(t);
    const result = await runService(
      t,
      `${SERVICE}
async function main() {
  for (const profileLifecycle of ['manual', 'trace']) {
    Sentry.init({
      debug: true,
      integrations: [nodeProfilingIntegration()],
      tracesSampleRate: 1,
      profileSessionSampleRate: Number.MIN_VALUE,
      profileLifecycle,
    });
    Sentry.profiler.startProfiler();
    Sentry.startSpan({ name: 'span' }, () => busy('work')(150));
    Sentry.captureMessage('unsampled');
    await Sentry.close();
  }
}
main();
`,
      { ingest },
    );
    assert.deepEqual(await ingest.chunks(), []);
    const events = await ingest.payloads('event');
    assert.equal(events.length, 2);
    assert.ok(events.every(({ contexts }) => contexts.profile === undefined));
    const lines = debugLines(result);
    assert.equal(lines.filter(line => line === 'Profiling is off: the session is not sampled.').length, 2);
  });

  test('a number that is out of range turns profiling off with a warning', async t => {
    const ingest = await startIngest(t);
    const result = await runService(
      t,
      `${SERVICE}
const figures = [
  ...[5, 60_001, NaN, -1, '1000', {}].map(chunkDurationMs => ({ chunkDurationMs })),
  ...[-1, NaN, true, Object.create(null)].map(quietMs => ({ quietMs })),
];
for (const tuning of figures) {
  Sentry.init({ integrations: [nodeProfilingIntegration(tuning)], profileSessionSampleRate: 1 });
  Sentry.profiler.startProfiler();
}
Sentry.close();
`,
      { ingest },
    );
    const range = got => `chunkDurationMs must be a number from 100 to 60000, got ${got}`;
    assert.deepEqual(
      warnings(result),
      [
        ...['5', '60001', 'NaN', '-1'].map(range),
        "chunkDurationMs must be a number of milliseconds, got '1000'",
        'chunkDurationMs must be a number of milliseconds, got object',
        ...['-1', 'NaN'].map(got => `quietMs must be a number of milliseconds, 0 or more, got ${got}`),
        'quietMs must be a number of milliseconds, got true',
        'quietMs must be a number of milliseconds, got object',
      ].map(message => `[Sentry] [Profiling] ${message}. Profiling is off.`),
    );
    assert.deepEqual(await ingest.chunks(), []);
  });

  for (const [name, code, expected] of [
    [
      "startProfiler() with profileLifecycle: 'trace'",
      "init({ profileLifecycle: 'trace', tracesSampleRate: 1 }); Sentry.profiler.startProfiler();",
      "Sentry.profiler.startProfiler() does nothing: with profileLifecycle: 'trace', spans start and stop the " +
        "profiler. Use profileLifecycle: 'manual' to start it yourself.",
    ],
    [
      'startProfiler() without a sample rate',
      'init({ profileSessionSampleRate: undefined }); Sentry.profiler.startProfiler();',
      'Sentry.profiler.startProfiler() does nothing: profileSessionSampleRate is 0 or not set, so nothing is ' +
        'profiled. Set it in Sentry.init, to 1 to profile every process.',
    ],
    [
      "profileLifecycle: 'trace' without tracing",
      "init({ profileLifecycle: 'trace' });",
      "profileLifecycle is 'trace', but tracing is off, so there are no spans and nothing is profiled. " +
        "Set tracesSampleRate or tracesSampler in Sentry.init, or use profileLifecycle: 'manual'.",
    ],
    [
      'an unknown option',
      'init({}, { chunkDurationMs: 1_000, quietMS: 5 });',
      'nodeProfilingIntegration has no option quietMS. It takes chunkDurationMs and quietMs.',
    ],
    [
      'an option in the wrong place',
      "init({}, { profileLifecycle: 'trace' });",
      'nodeProfilingIntegration has no option profileLifecycle. It takes chunkDurationMs and quietMs; ' +
        'profileLifecycle belongs in Sentry.init.',
    ],
    [
      'tracing with a rate of 0, and with a sampler',
      'init({ ...TRACE, tracesSampleRate: 0 }); init({ ...TRACE, tracesSampler: () => 1 });',
    ],
    [
      'startProfiler() in a session that is not sampled by chance',
      'init({ profileSessionSampleRate: Number.MIN_VALUE }); Sentry.profiler.startProfiler();',
    ],
  ]) {
    test(`${expected ? 'one warning' : 'no warning'} without debug: ${name}`, async t => {
      const ingest = await startIngest(t);
      const result = await runService(
        t,
        `${SERVICE}
const TRACE = { profileLifecycle: 'trace' };
const init = (options, tuning) =>
  Sentry.init({ integrations: [nodeProfilingIntegration(tuning)], profileSessionSampleRate: 1, ...options });
for (let i = 0; i < 2; i++) {
  ${code}
}
Sentry.close();
`,
        { ingest },
      );
      assert.deepEqual(warnings(result), expected ? [`[Sentry] [Profiling] ${expected}`] : []);
    });
  }

  test('without a DSN nothing is profiled and nothing fails', async t => {
    const result = await runService(
      t,
      `${SERVICE}
async function main() {
  for (const profileLifecycle of ['manual', 'trace']) {
    Sentry.init({ integrations: [nodeProfilingIntegration()], tracesSampleRate: 1, profileSessionSampleRate: 1, profileLifecycle });
    Sentry.profiler.startProfiler();
    Sentry.startSpan({ name: 'span' }, () => busy('work')(50));
    Sentry.profiler.stopProfiler();
    console.log('flushed', await Sentry.flush());
    console.log('closed', await Sentry.close());
  }
}
main();
`,
    );
    assert.equal(result.stderr, '');
    assert.equal(result.stdout, 'flushed true\nclosed true\n'.repeat(2));
  });

  for (const shared of [false, true]) {
    const name = shared ? 'the same integration' : 'an integration of its own';
    test(`a second Sentry.init with ${name} takes over`, async t => {
      const [first, second] = [await startIngest(t), await startIngest(t)];
      await runService(
        t,
        `${SERVICE}
const shared = nodeProfilingIntegration();
async function main() {
  for (const [dsn, work] of [[process.argv[2], 'first'], [process.argv[3], 'second']]) {
    Sentry.init({ dsn, integrations: [${shared ? 'shared' : 'nodeProfilingIntegration()'}], profileSessionSampleRate: 1 });
    Sentry.profiler.startProfiler();
    busy(work)(150);
  }
  await Sentry.close();
}
main();
`,
        { args: [first.dsn, second.dsn] },
      );
      const [ofFirst, ofSecond] = [await first.chunks(), await second.chunks()];
      assert.equal(ofFirst.length, 1, 'what the first client recorded goes to its DSN');
      assert.deepEqual(recorded(ofFirst, ['first', 'second']), ['first']);
      assert.deepEqual(recorded(ofSecond, ['first', 'second']), ['second']);
      assert.notEqual(ofFirst[0].profiler_id, ofSecond[0].profiler_id);
    });
  }

  test('a client that is closed records no more', async t => {
    const ingest = await startIngest(t);
    const result = await runService(
      t,
      `${SERVICE}
async function main() {
  Sentry.init({ debug: true, integrations: [nodeProfilingIntegration()], profileSessionSampleRate: 1 });
  await Sentry.close();
  Sentry.profiler.startProfiler();
  busy('closed')(150);
  await Sentry.flush();
}
main();
`,
      { ingest },
    );
    assert.deepEqual(await ingest.chunks(), []);
    assert.ok(debugLines(result).includes('No-op: this client is closed, or another Sentry.init took its place.'));
  });
});
