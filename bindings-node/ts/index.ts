import type { ProfilerSupport } from './addon';
import { loadAddon, supportOf } from './loader';
import { messageOf } from './sentry';

export type {
  ChunkProfile,
  ChunkSample,
  Frame,
  Measurement,
  ProfileFormat,
  ProfilerSupport,
  ThreadProfile,
  ThreadSample,
} from './addon';
export { nodeProfilingIntegration } from './integration';
export type { ProfilingIntegration } from './integration';
export { ProfilerUnavailableError } from './loader';
export type { UnavailableCode } from './loader';
export type { ProfilingTuning } from './options';
export { profile, startProfiling, stopProfiling, stopProfilingAsync } from './recordings';
export type { ProfileOptions, Profiles, RecordingOptions, StopProfilingOptions } from './recordings';

/**
 * The module name that Sentry groups a file's functions by: `/app/lib/db.js` is `app.lib:db`,
 * `/app/node_modules/pg/lib/client.js` is `pg.lib:client`, `node:fs` stays.
 *
 * @throws {@link ProfilerUnavailableError}
 */
export function getFrameModule(path: string): string {
  return loadAddon().getFrameModule(path);
}

/** Whether this process can be profiled, and if not, why. Never throws. */
export function profilerSupport(): ProfilerSupport {
  try {
    return supportOf(loadAddon());
  } catch (error) {
    return {
      supported: false,
      v8Version: process.versions.bun ? null : (process.versions.v8 ?? null),
      missing: [],
      reason: messageOf(error),
    };
  }
}
