// Loaded before everything else (`node --import ./instrument.mjs`), so that the SDK sees the modules that it traces.

import * as Sentry from '@sentry/node';
import { nodeProfilingIntegration } from 'sentry-profiler-node';

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  release: 'node-service@1.0.0',
  environment: 'demo',
  integrations: [nodeProfilingIntegration()],
  // Every request is traced and profiled.
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
});
