import type { ChunkProfile, Encoded, EncodingOptions, ProfileFormat, ThreadProfile } from './addon';
import { loadRecorder } from './loader';
import { currentThread } from './thread';

/** A profile in each format. Text is what a file with the format's usual extension has. */
export interface Profiles {
  /** Samples with Unix times in seconds, as in Sentry's sample format V2. */
  chunk: ChunkProfile;
  /** Samples with nanoseconds since the start, as in Sentry's sample format V1. */
  thread: ThreadProfile;
  /** JSON for Chrome DevTools, VS Code and speedscope: `.cpuprofile`. */
  cpuprofile: string;
  /** Gzipped protocol buffers for pprof and Grafana Pyroscope: `.pb.gz`. */
  pprof: Uint8Array;
  /** Lines of a stack and its microseconds, for flame graph tools: `.folded`. */
  folded: string;
  /** A flame graph for any browser: `.svg`. */
  flamegraph: string;
  /** A report for any browser, with a flame graph, a time line, tables and hot lines: `.html`. */
  html: string;
  /** The most important of it as a page of text, for a terminal or an agent: `.md`. */
  markdown: string;
}

/** Settings of a recording. */
export interface RecordingOptions {
  /**
   * The time between two samples, microseconds: 100 to 1,000,000, default 10,101 (99 Hz). Another one than the default
   * takes a profiler of its own, which V8 makes in 10 to 25 ms. V8 keeps up with a millisecond; below that it takes
   * fewer samples than asked for.
   */
  intervalUs?: number | undefined;
  /** How many samples it may have, 2 or more; later ones are dropped. Default 500,000: 84 minutes at 99 Hz. */
  maxSamples?: number | undefined;
}

/** How {@link stopProfiling} returns the profile. */
export interface StopProfilingOptions<Format extends keyof Profiles = keyof Profiles> {
  /** Default: `'chunk'`. */
  format?: Format;
  /** The thread id of the samples of `'chunk'` and `'thread'`. Default: the current thread's, 0 on the main thread. */
  threadId?: number;
  /** Whether `resources` of `'chunk'` and `'thread'` lists the files of the frames. Default: false, it is empty. */
  collectResources?: boolean;
}

/** Settings of {@link profile}. */
export interface ProfileOptions<Format extends keyof Profiles = keyof Profiles> extends RecordingOptions {
  /** Default: `'cpuprofile'`. */
  format?: Format;
  /** What the profile is called. */
  title?: string;
}

/**
 * Starts a recording named `title`. Any number of recordings may overlap. Starting a title that is already recording
 * drops the old recording and begins a new one.
 *
 * @throws an error with code `NAPI_ERROR` when an argument is wrong; {@link ProfilerUnavailableError}
 */
export function startProfiling(title: string, options?: RecordingOptions): void {
  const addon = loadRecorder();
  if (options === undefined || options === null) {
    addon.startProfiling(title);
  } else {
    addon.startRecording(title, options);
  }
}

/**
 * Ends the recording named `title` and returns its profile, or `null` when no recording has that name.
 *
 * It takes options, or the arguments of the native function, which are those of `@sentry/node-cpu-profiler`:
 * `stopProfiling(title, format, threadId, collectResources)` with format 0 (thread) or 1 (chunk).
 *
 * Encoding a long recording takes a while: {@link stopProfilingAsync} does it on another thread.
 *
 * @throws an error with code `NAPI_ERROR` when an argument is wrong, which leaves the recording running;
 * {@link ProfilerUnavailableError}
 */
export function stopProfiling<Format extends keyof Profiles = 'chunk'>(
  title: string,
  options?: StopProfilingOptions<Format>,
): Profiles[Format] | null;
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
): Profiles[keyof Profiles] | null {
  const addon = loadRecorder();
  if (typeof options !== 'object' || options === null) {
    return addon.stopProfiling(title, options, threadId ?? currentThread().id, collectResources);
  }
  const encoding = encodingOf(options);
  const encoded = addon.stopRecording(title, encoding);
  return encoded && opened(encoded, encoding.format);
}

/**
 * As {@link stopProfiling}, with a promise: the profile is encoded on another thread. The formats `'chunk'` and
 * `'thread'` are parsed on this one.
 */
export async function stopProfilingAsync<Format extends keyof Profiles = 'chunk'>(
  title: string,
  options: StopProfilingOptions<Format> = {},
): Promise<Profiles[Format] | null> {
  const encoding = encodingOf(options);
  const encoded = await loadRecorder().stopRecordingAsync(title, encoding);
  return encoded && (opened(encoded, encoding.format) as Profiles[Format]);
}

let unnamed = 0;

/**
 * Records while a function runs, and until the promise that it may return is settled. All that this thread does
 * meanwhile is in the profile. An error of the function is thrown, and there is no profile then.
 *
 * ```js
 * const { profile: html } = await profile(() => build(), { format: 'html' });
 * ```
 */
export async function profile<Value, Format extends keyof Profiles = 'cpuprofile'>(
  run: () => Value,
  options: ProfileOptions<Format> = {},
): Promise<{ value: Awaited<Value>; profile: Profiles[Format] }> {
  const { format = 'cpuprofile', title = `profile ${++unnamed}`, ...recording } = options;
  startProfiling(title, recording);
  let value: Awaited<Value>;
  try {
    // Called by nobody: what this file calls is left out of profiles.
    value = (await Promise.resolve().then(run)) as Awaited<Value>;
  } catch (error) {
    void loadRecorder().stopRecordingAsync(title, encodingOf({ format: 'folded' }));
    throw error;
  }
  const made = await stopProfilingAsync(title, { format });
  if (made === null) {
    throw new Error(`The recording '${title}' was stopped while the function ran.`);
  }
  return { value, profile: made as Profiles[Format] };
}

function encodingOf({ format = 'chunk', threadId, collectResources = false }: StopProfilingOptions): EncodingOptions {
  const { id, name } = currentThread();
  return {
    format,
    threadId: threadId ?? id,
    threadName: name === 'main' ? name : `${name} ${id}`,
    collectResources,
  };
}

// The program may replace it.
const { parse } = JSON;

function opened({ text, bytes, error }: Encoded, format: string): Profiles[keyof Profiles] {
  if (error !== undefined) {
    throw Object.assign(new Error(error), { code: 'NAPI_ERROR' });
  }
  if (text === undefined) {
    return bytes as Uint8Array;
  }
  return format === 'chunk' || format === 'thread' ? (parse(text) as ChunkProfile | ThreadProfile) : text;
}
