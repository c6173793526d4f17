// What the profiler writes to the console is no output of the service: integrations that send that to Sentry do not
// see it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { runService, SERVICE } from './support/service.mjs';

for (const sdk of SDKS) {
  for (const [where, env] of [
    ['', {}],
    // There the SDK watches the console in another way.
    [' on Lambda', { LAMBDA_TASK_ROOT: '/var/task' }],
  ]) {
    test(`neither events, logs nor breadcrumbs come of it, SDK ${sdk.major}${where}`, { skip: sdk.skip }, async t => {
      const ingest = await startIngest(t);
      const { stdout, stderr } = await runService(
        t,
        `${SERVICE}
Sentry.init({
  debug: true,
  integrations: [
    Sentry.captureConsoleIntegration(),
    Sentry.consoleLoggingIntegration(),
    // A key that there is not: a warning.
    nodeProfilingIntegration({ sampleRate: 1 }),
  ],
  enableLogs: true,
  // Without tracing: a second one.
  profileLifecycle: 'trace',
  profileSessionSampleRate: 1,
});
async function main() {
  // Nothing is done: a third warning.
  Sentry.profiler.startProfiler();
  console.log('the service says so');
  console.warn('the service warns');
  await Sentry.close();
}
main();
`,
        { ingest, sdk, env },
      );
      assert.match(stdout, /Sentry Logger \[log\]: \[Profiling\] No-op/);
      assert.equal(stderr.split('\n').filter(line => line.startsWith('[Sentry] [Profiling] ')).length, 3, stderr);
      const said = ['the service says so', 'the service warns'];
      const events = await ingest.payloads('event');
      // Two envelopes may overtake each other.
      assert.deepEqual(events.map(({ message }) => message).sort(), said);
      const breadcrumbs = events.flatMap(event => event.breadcrumbs ?? []);
      assert.deepEqual(
        breadcrumbs.filter(({ message }) => message.includes('[Profiling]')),
        [],
      );
      const logs = (await ingest.payloads('log')).flatMap(({ items }) => items.map(({ body }) => body));
      assert.deepEqual(logs, said);
    });
  }
}
