// Types of the native add-on's exports, arguments and results.

/** 0: sample format V1 (`thread`); 1: sample format V2 (`chunk`). */
export type ProfileFormat = 0 | 1;

/** A function at its definition. Keys that are unknown are absent. */
export interface Frame {
  function: string;
  module?: string;
  filename?: string;
  abs_path?: string;
  /** 1-based. */
  lineno?: number;
  /** 1-based. */
  colno?: number;
  in_app?: boolean;
}

/** The values of a measurement during a profile. */
export interface Measurement<Time> {
  unit: string;
  values: Array<Time & { value: number }>;
}

interface Profile<Time, MeasurementTime> {
  samples: Array<Time & { stack_id: number; thread_id: string }>;
  /** Indices into `frames`, leaf first. */
  stacks: number[][];
  frames: Frame[];
  /** The files of the frames; empty unless `collectResources` is set. */
  resources: string[];
  /** `cpu_usage` in percent (0..100) and `memory_footprint` in bytes. */
  measurements: Record<string, Measurement<MeasurementTime>>;
  profiler_logging_mode: 'eager' | 'lazy';
}

/** Nanoseconds since the start of the recording, as a string. */
interface Elapsed {
  elapsed_since_start_ns: string;
}

/** Unix time in seconds, with microseconds. */
interface Timestamp {
  timestamp: number;
}

/** A profile in the terms of Sentry's sample format V1. */
export type ThreadProfile = Profile<Elapsed, { elapsed_since_start_ns: number }>;
/** A sample of a {@link ThreadProfile}. */
export type ThreadSample = ThreadProfile['samples'][number];
/** A profile in the terms of Sentry's sample format V2. */
export type ChunkProfile = Profile<Timestamp, Timestamp>;
/** A sample of a {@link ChunkProfile}. */
export type ChunkSample = ChunkProfile['samples'][number];

/** Whether V8 can be profiled in this process. */
export interface ProfilerSupport {
  supported: boolean;
  /** `null` where there is no V8. */
  v8Version: string | null;
  /** The mangled names of the functions that this V8 does not export. */
  missing: string[];
  /** Why V8 cannot be profiled; `null` if it can. */
  reason: string | null;
}

/** @internal The result of a call. */
export type Outcome =
  | 'started'
  | 'stopped'
  | 'already-running'
  | 'not-running'
  | 'not-sampled'
  | 'trace-lifecycle'
  | 'no-thread'
  | 'closed';

/** @internal A finished chunk: the JSON of an envelope item's payload, ready to send. */
export interface Chunk {
  chunkId: string;
  payload: Uint8Array;
  sampleCount: number;
}

/** @internal */
export interface SessionOptions {
  lifecycle: 'manual' | 'trace';
  sampleRate: number;
  chunkDurationMs?: number | undefined;
  quietMs?: number | undefined;
  threadId: string;
  threadName: string;
  sdkName?: string | undefined;
  sdkVersion?: string | undefined;
  release?: string | undefined;
  environment?: string | undefined;
}

/** @internal The core's session: lifecycle, sampling decision, chunks. */
export interface Session {
  readonly profilerId: string;
  readonly sampled: boolean;
  start(): Outcome;
  stop(): Outcome;
  /** The functions to call when a span starts and ends. */
  spanFunctions(): SpanFunctions;
  /** Sets debug ids by plain path; replaces those that were set before. */
  setDebugIds(ids: Record<string, string>): void;
  /** Takes the finished chunks. */
  poll(): Chunk[];
  /** Closes the open chunk, waits until it is encoded, and takes the finished chunks. Recording continues. */
  flush(timeoutMs: number): Chunk[];
  /** Ends the current recording and takes the finished chunks. A later `start` or span records again. */
  finish(): Chunk[];
  /** Like `finish`, but the session cannot record again. */
  close(): Chunk[];
  stats(): SessionStats;
}

/** @internal */
export interface SpanFunctions {
  started: () => void;
  ended: () => void;
}

/** @internal */
export interface SessionStats {
  /** Chunks, and the samples in them. */
  delivered: number;
  samples: number;
  /** Chunks with fewer than two samples; chunks, and slices of V8's stream, dropped because too many waited. */
  dropped: { tooShort: number; overflow: number; slices: number };
}

/** @internal How often and how long the profiler has run on a thread. */
export interface IsolateTime {
  count: number;
  totalMs: number;
  longestMs: number;
  medianMs: number;
  p99Ms: number;
  /** The part of the total in which V8 deleted recordings. */
  deletingMs: number;
}

/** @internal */
export interface EncodingOptions {
  format: string;
  threadId: number;
  threadName: string;
  collectResources: boolean;
}

/** @internal A profile in one format, or why there is none. */
export interface Encoded {
  text?: string;
  /** In formats that are no text. */
  bytes?: Uint8Array;
  error?: string;
}

/** @internal Returns the source map of what was compiled from a file in this process: JSON. */
export type MapOf = (file: string) => string | undefined;

/** @internal The exports of the native file. A test checks that they match exactly. */
export interface Addon {
  startProfiling(title: string): void;
  stopProfiling(
    title: string,
    format: ProfileFormat,
    threadId: number,
    collectResources?: boolean,
  ): ThreadProfile | ChunkProfile | null;
  startRecording(title: string, options: { intervalUs?: number | undefined; maxSamples?: number | undefined }): void;
  stopRecording(title: string, options: EncodingOptions): Encoded | null;
  /** As `stopRecording`; the encoder does not run on this thread. */
  stopRecordingAsync(title: string, options: EncodingOptions): Promise<Encoded> | null;
  /** Records this thread into a file. `head` is JSON. */
  startJournal(file: string, head: string, options: { intervalUs?: number | undefined }): void;
  /** Asks for the source map, JSON, of each file that was recorded since the last call. */
  journalMaps(mapOf: MapOf): void;
  finishJournal(end: string, mapOf: MapOf): void;
  /** Makes files of recordings. The request is JSON, and so is the text that the promise resolves to. */
  makeReports(request: string): Promise<Encoded>;
  getFrameModule(path: string): string;
  support(): ProfilerSupport;
  /** Leaves the functions of a script out of all profiles. */
  hideFile(path: string): void;
  /** Makes V8's profiler now, and not with the first session or recording. */
  prepare(): void;
  /** The profiler's warnings since the last call. A session's `onReady` is called when there are any. */
  takeWarnings(): string[];
  /** How long the profiler has run on this thread since the last call. */
  isolateTime(): IsolateTime;
  /** `onReady` runs on the JavaScript thread when `poll` has chunks. It does not keep the process alive. */
  Session: new (
    options: SessionOptions,
    onReady: () => void,
  ) => Session;
}
