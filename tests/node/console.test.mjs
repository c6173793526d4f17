// The profiler's console messages are not output of the service: integrations that send console output to Sentry must
// not see them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { runService, SERVICE } from './support/service.mjs';

for (const sdk of SDKS) {
  for (const [where, env] of [
    ['', {}],
    // On Lambda the SDK watches the console in another way.
    [' on Lambda', { LAMBDA_TASK_ROOT: '/var/task' }],
  ]) {
    test(`no events, logs or breadcrumbs from our warnings, SDK ${sdk.major}${where}`, { skip: sdk.skip }, async t => {
      const ingest = await startIngest(t);
      const { stdout, stderr } = await runService(
        t,
        `${SERVICE}
Sentry.init({
  debug: true,
  integrations: [
    Sentry.captureConsoleIntegration(),
    Sentry.consoleLoggingIntegration(),
    // An unknown option: a warning.
    nodeProfilingIntegration({ sampleRate: 1 }),
  ],
  enableLogs: true,
  // Without tracing: a second warning.
  profileLifecycle: 'trace',
  profileSessionSampleRate: 1,
});
async function main() {
  // This does nothing: a third warning.
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
      // Envelopes may arrive in any order.
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
