// Loaded before the function (NODE_OPTIONS="--import ./instrument.mjs"), so that the SDK can wrap the handler: it gives each
// invocation a span, and flushes before the response is posted, which is before Lambda may freeze the process.

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

// 'trace' profiles each invocation from its first span to its last. 'manual' profiles the time in between too, the rest of the
// cold start among it; what is frozen is left out of either.
if (profileLifecycle === 'manual') {
  Sentry.profiler.startProfiler();
}
