export default {
  output: 'standalone',
  distDir: process.env.DIST,
  // As the README says. `@sentry/profiling-node` is on Next's default list.
  serverExternalPackages: ['sentry-profiler-node'],
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
};
