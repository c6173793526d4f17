// What the native add-on exports, and the shapes of what it takes and returns. Types only.

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

/** Values of a quantity over the time of a profile. */
export interface Measurement<Time> {
  unit: string;
  values: Array<Time & { value: number }>;
}

interface Profile<Time, MeasurementTime> {
  samples: Array<Time & { stack_id: number; thread_id: string }>;
  /** Indices into `frames`, leaf first. */
  stacks: number[][];
  frames: Frame[];
  /** The files that the frames are of; empty unless asked for. */
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
  /** What this V8 does not export, by mangled name. */
  missing: string[];
  /** Why not, for a person; `null` when supported. */
  reason: string | null;
}

/** @internal What became of a call. */
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
  /** What to call when a span has begun, and when one has ended. */
  spanFunctions(): SpanFunctions;
  /** Plain path to debug id; replaces what was set before. */
  setDebugIds(ids: Record<string, string>): void;
  /** Takes the chunks that are finished. */
  poll(): Chunk[];
  /** Closes the open chunk, waits until it is encoded, takes what is finished. Recording goes on. */
  flush(timeoutMs: number): Chunk[];
  /** Ends what records now and takes it. A later `start` or `spanStarted` records again. */
  finish(): Chunk[];
  /** As `finish`, for good. */
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
  /** Chunks with fewer than two samples; chunks, and slices of V8's stream, of which too many waited. */
  dropped: { tooShort: number; overflow: number; slices: number };
}

/** @internal How often and how long the profiler has kept a thread. */
export interface IsolateTime {
  count: number;
  totalMs: number;
  longestMs: number;
  medianMs: number;
  p99Ms: number;
  /** The part of the total that V8 took to delete recordings. */
  deletingMs: number;
}

/** @internal What the native file exports: exactly this, which a test checks. */
export interface Addon {
  startProfiling(title: string): void;
  stopProfiling(
    title: string,
    format: ProfileFormat,
    threadId: number,
    collectResources?: boolean,
  ): ThreadProfile | ChunkProfile | null;
  getFrameModule(path: string): string;
  support(): ProfilerSupport;
  /** Leaves the functions of a script out of all profiles. */
  hideFile(path: string): void;
  /** What the profiler has warned of since the last call; a session's `onReady` is called when there is any. */
  takeWarnings(): string[];
  /** How long the profiler has kept this thread since the last call. */
  isolateTime(): IsolateTime;
  /** `onReady` runs on the JavaScript thread when `poll` has something, and keeps no process alive. */
  Session: new (
    options: SessionOptions,
    onReady: () => void,
  ) => Session;
}
