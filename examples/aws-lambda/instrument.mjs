// Loaded before the function (NODE_OPTIONS="--import ./instrument.mjs"), so that the SDK can wrap the handler. It
// gives each invocation a span, and flushes before the response is posted, because Lambda may freeze the process then.

import * as Sentry from '@sentry/aws-serverless';
import { nodeProfilingIntegration } from 'sentry-profiler-node';

const profileLifecycle = process.env.PROFILE_LIFECYCLE ?? 'trace';

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  integrations: [nodeProfilingIntegration()],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle,
});

// 'trace' profiles each invocation from its first span to its last. 'manual' also profiles the time between
// invocations and the rest of the cold start. Frozen time is left out in both.
if (profileLifecycle === 'manual') {
  Sentry.profiler.startProfiler();
}
