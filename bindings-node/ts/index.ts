import type { ChunkProfile, ProfileFormat, ProfilerSupport, ThreadProfile } from './addon';
import { loadAddon, loadRecorder, supportOf } from './loader';
import { messageOf } from './sentry';
import { currentThread } from './thread';

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

/** How {@link stopProfiling} returns the profile. */
export interface StopProfilingOptions {
  /**
   * `'chunk'` (the default): samples carry Unix time in seconds, as in Sentry's sample format V2.
   * `'thread'`: samples carry the nanoseconds since the start, as in sample format V1.
   */
  format?: 'chunk' | 'thread';
  /** The thread id of the samples. Default: that of the current thread, 0 on the main thread. */
  threadId?: number;
  /** Whether `resources` lists the files of the frames. Default: false, `resources` is empty. */
  collectResources?: boolean;
}

/**
 * Starts a recording named `title`. Any number of recordings may overlap. Starting a title that is already recording
 * drops the old recording and begins a new one.
 *
 * @throws an error with code `NAPI_ERROR` when `title` is not a string or is empty; {@link ProfilerUnavailableError}
 */
export function startProfiling(title: string): void {
  loadRecorder().startProfiling(title);
}

/**
 * Ends the recording named `title` and returns its profile, or `null` when no recording has that name.
 *
 * It takes options, or the arguments of the native function, which are those of `@sentry/node-cpu-profiler`:
 * `stopProfiling(title, format, threadId, collectResources)` with format 0 (thread) or 1 (chunk).
 *
 * @throws an error with code `NAPI_ERROR` when an argument has the wrong type; {@link ProfilerUnavailableError}
 */
export function stopProfiling(
  title: string,
  options: StopProfilingOptions & { format: 'thread' },
): ThreadProfile | null;
export function stopProfiling(
  title: string,
  options?: StopProfilingOptions & { format?: 'chunk' },
): ChunkProfile | null;
export function stopProfiling(
  title: string,
  format: 0,
  threadId?: number,
  collectResources?: boolean,
): ThreadProfile | null;
export function stopProfiling(
  title: string,
  format: 1,
  threadId?: number,
  collectResources?: boolean,
): ChunkProfile | null;
export function stopProfiling(
  title: string,
  options: StopProfilingOptions | ProfileFormat = {},
  threadId?: number,
  collectResources = false,
): ThreadProfile | ChunkProfile | null {
  const addon = loadRecorder();
  if (typeof options !== 'object' || options === null) {
    return addon.stopProfiling(title, options, threadId ?? currentThread().id, collectResources);
  }
  const formats: Record<string, ProfileFormat> = { thread: 0, chunk: 1 };
  // Pass an unknown format to the native function unchanged, which throws its own error.
  const format = formats[options.format ?? 'chunk'] ?? (options.format as unknown as ProfileFormat);
  return addon.stopProfiling(title, format, options.threadId ?? currentThread().id, options.collectResources ?? false);
}

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
