export async function register() {
  // A bundler sees each of these ways to have the profiler, and leaves them out of what it builds for other runtimes.
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const profilers = {
      external: () => import('sentry-profiler-node'),
      'old name': () => import('@sentry/profiling-node'),
      // Nobody keeps this one out of the bundle, and its native file is missing.
      bundled: () => import('sentry-profiler-bundled'),
    };
    const Sentry = await import('@sentry/node');
    const { nodeProfilingIntegration } = await profilers[process.env.PROFILER]();
    Sentry.init({
      dsn: process.env.SENTRY_DSN,
      integrations: [nodeProfilingIntegration()],
      tracesSampleRate: 1,
      profileSessionSampleRate: 1,
      profileLifecycle: 'trace',
    });
  }
}
