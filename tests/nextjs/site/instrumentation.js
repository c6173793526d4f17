export async function register() {
  // The condition lets the bundler leave all of this out of what it builds for other runtimes.
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const profilers = {
      external: () => import('sentry-profiler-node'),
      'old name': () => import('@sentry/profiling-node'),
      // This package gets into the bundle, without its native file.
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
