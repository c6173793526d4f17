// Finds and loads the add-on. One file serves every Node version, so its name says platform, architecture and libc only.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { messageOf, warnOnce } from './sentry';

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
  spanFunctions(): { started: () => void; ended: () => void };
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
  stats(): {
    /** Chunks, and the samples in them. */
    delivered: number;
    samples: number;
    /** Chunks with fewer than two samples; chunks, and slices of V8's stream, of which too many waited. */
    dropped: { tooShort: number; overflow: number; slices: number };
  };
}

/** @internal What the native file exports. */
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
  /** `onReady` runs on the JavaScript thread when `poll` has something, and keeps no process alive. */
  Session: new (options: SessionOptions, onReady: () => void) => Session;
}

/** Why there is no profiler: the file is missing, would not load, is another package's, or none is built for this platform. */
export type UnavailableCode =
  | 'ERR_SENTRY_PROFILER_MISSING'
  | 'ERR_SENTRY_PROFILER_LOAD'
  | 'ERR_SENTRY_PROFILER_FOREIGN'
  | 'ERR_SENTRY_PROFILER_PLATFORM';

/** The native part cannot be had in this process. Its message names the file, the platform and what to do. */
export class ProfilerUnavailableError extends Error {
  override readonly name = 'ProfilerUnavailableError';
  readonly code: UnavailableCode;

  constructor(code: UnavailableCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

let loaded: Addon | undefined;

/** @internal The add-on, loaded on the first call. */
export function loadAddon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const {
    SENTRY_PROFILER_BINARY_PATH: path,
    SENTRY_PROFILER_BINARY_DIR: dir,
    SENTRY_PROFILER_LOGGING_MODE: mode = 'eager',
  } = process.env;
  if (mode !== 'eager' && mode !== 'lazy') {
    warnOnce(`SENTRY_PROFILER_LOGGING_MODE must be eager or lazy, got ${mode}. The mode is eager.`);
  }
  if (path) {
    return open(resolve(path), 'SENTRY_PROFILER_BINARY_PATH');
  }
  const target = currentTarget();
  if (dir) {
    return openFromDir(resolve(dir), target);
  }
  return checked(openOwn(target), fileName(target));
}

/** Platform, architecture and, on Linux, libc: the part of a file's name that says where it runs. */
function currentTarget(): string {
  const target = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${target}-${libc()}` : target;
}

function fileName(target: string): string {
  return `sentry_profiler-${target}.node`;
}

function libc(): 'glibc' | 'musl' {
  try {
    // Where there is an `ldd`, it is a small script or program of the libc itself; reading it starts no process.
    const ldd = readFileSync('/usr/bin/ldd', 'latin1');
    if (ldd.includes('musl')) {
      return 'musl';
    }
    if (ldd.includes('GLIBC') || ldd.includes('GNU C Library')) {
      return 'glibc';
    }
  } catch {
    // No `ldd` in small images.
  }
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined;
  if (!report) {
    return 'glibc';
  }
  // Without this a report looks up the name of every peer of every open socket, on this thread.
  const { excludeNetwork } = report;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime ? 'glibc' : 'musl';
  } finally {
    if (excludeNetwork !== undefined) {
      report.excludeNetwork = excludeNetwork;
    }
  }
}

/** The names that a file may have in `SENTRY_PROFILER_BINARY_DIR`: ours, then the one that `@sentry/node-cpu-profiler` looked for. */
function openFromDir(dir: string, target: string): Addon {
  const names = [fileName(target), `sentry_cpu_profiler-${target}-${process.versions.modules}.node`];
  const file = names.map(name => join(dir, name)).find(candidate => existsSync(candidate));
  if (file === undefined) {
    throw new ProfilerUnavailableError(
      'ERR_SENTRY_PROFILER_MISSING',
      `There is neither ${names.join(' nor ')} in ${dir} (SENTRY_PROFILER_BINARY_DIR). This process runs on ${platform()}. ` +
        `Copy ${names[0]} from the package sentry-profiler-node there, or unset SENTRY_PROFILER_BINARY_DIR.`,
    );
  }
  return open(file, 'SENTRY_PROFILER_BINARY_DIR');
}

function open(file: string, variable: string): Addon {
  if (!existsSync(file)) {
    throw new ProfilerUnavailableError(
      'ERR_SENTRY_PROFILER_MISSING',
      `${file} (${variable}) does not exist. This process runs on ${platform()}. ` +
        `Put the .node file of the package sentry-profiler-node there, or unset ${variable}.`,
    );
  }
  const module = { exports: {} };
  try {
    // Not `require`: bundlers would take a path that is known at run time only for one of their own.
    process.dlopen(module, file);
  } catch (error) {
    throw new ProfilerUnavailableError(
      'ERR_SENTRY_PROFILER_LOAD',
      `${file} (${variable}) cannot be loaded on ${platform()}: ${messageOf(error)}. ` +
        `Use the .node file of the package sentry-profiler-node for this platform, or unset ${variable}.`,
      error,
    );
  }
  return checked(module.exports, `${file} (${variable})`);
}

function openOwn(target: string): unknown {
  try {
    // Each string stands for itself, so that bundlers see which files there are. The `try` tells them that a package need
    // not have them all.
    switch (target) {
      case 'linux-x64-glibc':
        return require('../sentry_profiler-linux-x64-glibc.node');
      case 'linux-x64-musl':
        return require('../sentry_profiler-linux-x64-musl.node');
      case 'linux-arm64-glibc':
        return require('../sentry_profiler-linux-arm64-glibc.node');
      case 'linux-arm64-musl':
        return require('../sentry_profiler-linux-arm64-musl.node');
      case 'darwin-x64':
        return require('../sentry_profiler-darwin-x64.node');
      case 'darwin-arm64':
        return require('../sentry_profiler-darwin-arm64.node');
      case 'win32-x64':
        return require('../sentry_profiler-win32-x64.node');
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.code === 'MODULE_NOT_FOUND') {
      throw new ProfilerUnavailableError(
        'ERR_SENTRY_PROFILER_MISSING',
        `The package's file ${fileName(target)} is missing. This process runs on ${platform()}. Install sentry-profiler-node ` +
          'again on this platform; if the service is bundled, copy the file beside the bundle and set SENTRY_PROFILER_BINARY_PATH to it.',
        error,
      );
    }
    throw new ProfilerUnavailableError(
      'ERR_SENTRY_PROFILER_LOAD',
      `The package's file ${fileName(target)} cannot be loaded on ${platform()}: ${messageOf(error)}. ` +
        'Install sentry-profiler-node again on this platform, or set SENTRY_PROFILER_BINARY_PATH to a file that is built for it.',
      error,
    );
  }
  throw new ProfilerUnavailableError(
    'ERR_SENTRY_PROFILER_PLATFORM',
    `sentry-profiler-node has no binary for ${platform()} (it would be ${fileName(target)}). ` +
      'Build one and set SENTRY_PROFILER_BINARY_PATH to it.',
  );
}

const EXPORTS = ['startProfiling', 'stopProfiling', 'getFrameModule', 'support', 'Session'] as const;

function checked(exports: unknown, file: string): Addon {
  const addon = exports as Partial<Addon>;
  const missing = EXPORTS.filter(name => typeof addon[name] !== 'function');
  if (missing.length === 0) {
    return addon as Addon;
  }
  const whose =
    typeof addon.startProfiling === 'function'
      ? 'the binary of @sentry/node-cpu-profiler'
      : 'not a binary of the package sentry-profiler-node';
  throw new ProfilerUnavailableError(
    'ERR_SENTRY_PROFILER_FOREIGN',
    `${file} is ${whose}: it does not export ${missing.join(', ')}. ` +
      `Replace it with ${fileName(currentTarget())} of the package sentry-profiler-node.`,
  );
}

function platform(): string {
  const { node, modules } = process.versions;
  return `${currentTarget()}, Node ${node} (ABI ${modules})`;
}
