// ES modules get the CommonJS build, so that a process has one profiler however many ways it imports this package.
export {
  ProfilerUnavailableError,
  getFrameModule,
  nodeProfilingIntegration,
  profile,
  profilerSupport,
  startProfiling,
  stopProfiling,
  stopProfilingAsync,
} from './index.js';
export type * from './index.js';
