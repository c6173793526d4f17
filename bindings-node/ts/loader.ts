// Finds and loads the add-on. One file serves every Node version, so its name says platform, architecture and libc only.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Addon, ProfilerSupport } from './addon';
import { misfit } from './binary';
import { messageOf, sentence, warnOnce } from './sentry';
import { currentTarget } from './target';

/** Why there is no profiler. */
export type UnavailableCode =
  /** The file is not there. */
  | 'ERR_SENTRY_PROFILER_MISSING'
  /** The file would not load. */
  | 'ERR_SENTRY_PROFILER_LOAD'
  /** The file is another package's. */
  | 'ERR_SENTRY_PROFILER_FOREIGN'
  /** This version has no file for this platform. */
  | 'ERR_SENTRY_PROFILER_PLATFORM'
  /** The service is bundled, and its bundle does not reach the file. */
  | 'ERR_SENTRY_PROFILER_BUNDLED'
  /** This process may not load native add-ons. */
  | 'ERR_SENTRY_PROFILER_DISABLED'
  /** Node is too old, or this is another runtime, in which V8 is out of reach. */
  | 'ERR_SENTRY_PROFILER_RUNTIME';

/** The native part cannot be had in this process. Its message names the file, the platform and what to do. */
export class ProfilerUnavailableError extends Error {
  override readonly name = 'ProfilerUnavailableError';
  readonly code: UnavailableCode;

  constructor(code: UnavailableCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

let loaded: { addon: Addon } | { error: unknown } | undefined;

/** @internal The add-on, loaded on the first call. If that failed, every later call throws the same error. */
export function loadAddon(): Addon {
  if (!loaded) {
    try {
      const home = ownPackage();
      const addon = onDemand(() => load(home));
      if (home) {
        addon.hideFile(home.script);
      }
      loaded = { addon };
    } catch (error) {
      loaded = { error };
    }
  }
  if ('error' in loaded) {
    throw loaded.error;
  }
  return loaded.addon;
}

/** The name of a global variable, and what the add-on takes its being there for. */
const ON_DEMAND = 'sentryProfilerOnDemand';

/**
 * Loads the add-on without V8's profiler, which takes 10 to 50 ms to make. It is made with the first session, the first
 * recording, or by `prepare()`.
 */
function onDemand(load: () => Addon): Addon {
  // Where the global object is frozen, V8's profiler is made now.
  Reflect.set(globalThis, ON_DEMAND, true);
  try {
    return load();
  } finally {
    Reflect.deleteProperty(globalThis, ON_DEMAND);
  }
}

/** @internal Whether this process can be profiled, in words that fit the runtime. */
export function supportOf(addon: Addon): ProfilerSupport {
  const support = addon.support();
  return support.supported ? support : { ...support, reason: outOfReach() ?? support.reason };
}

/** @internal The add-on of a process that can be profiled. */
export function loadRecorder(): Addon {
  const addon = loadAddon();
  // Where V8 is missing something the native functions say so.
  const reason = outOfReach();
  if (reason !== undefined && !addon.support().supported) {
    throw new ProfilerUnavailableError('ERR_SENTRY_PROFILER_RUNTIME', reason);
  }
  return addon;
}

/** Why V8 is out of reach in a runtime other than Node, if this is one. */
function outOfReach(): string | undefined {
  const { bun, deno } = process.versions;
  if (bun !== undefined) {
    return `Bun ${bun} cannot be profiled: it runs JavaScriptCore, and this is a profiler of V8.`;
  }
  if (deno !== undefined) {
    return `Deno ${deno} cannot be profiled: it does not export V8's functions, which this profiler calls.`;
  }
  return undefined;
}

interface Home {
  folder: string;
  /** This file, whose functions are left out of profiles. */
  script: string;
}

/** This package as it is installed; nothing when this is code in a bundle of the service's. */
function ownPackage(): Home | undefined {
  try {
    const folder = join(__dirname, '..');
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return name === 'sentry-profiler-node' ? { folder, script: __filename } : undefined;
  } catch {
    // Bundles have no such file next to them, and those that are ES modules not even a name of their own.
    return undefined;
  }
}

function load(home: Home | undefined): Addon {
  const node = process.versions.node;
  if (Number.parseInt(node) < 18) {
    throw new ProfilerUnavailableError(
      'ERR_SENTRY_PROFILER_RUNTIME',
      `Node 18 or later is needed, and this is Node ${node}.`,
    );
  }
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
  if (home) {
    mustFit(join(home.folder, fileName(target)), ownName(target), OWN_ADVICE);
  }
  return checked(openOwn(target, home), fileName(target));
}

function fileName(target: string): string {
  return `sentry_profiler-${target}.node`;
}

const ownName = (target: string) => `The package's file ${fileName(target)}`;
const OWN_ADVICE =
  'Install sentry-profiler-node again, or set SENTRY_PROFILER_BINARY_PATH to a file that is built for this platform.';

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
  const name = `${file} (${variable})`;
  const advice = `Use the .node file of the package sentry-profiler-node for this platform, or unset ${variable}.`;
  mustFit(file, name, advice);
  const module = { exports: {} };
  try {
    // Not `require`: bundlers would take a path that is known at run time only for one of their own.
    process.dlopen(module, file);
  } catch (error) {
    throw notLoaded(name, sentence(messageOf(error)), advice, error);
  }
  return checked(module.exports, name);
}

/** Throws for a file that is there and cannot be loaded. */
function mustFit(file: string, name: string, advice: string): void {
  const unfit = misfit(file);
  if (unfit) {
    throw notLoaded(name, unfit.reason, unfit.advice ?? advice);
  }
}

function openOwn(target: string, home: Home | undefined): unknown {
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
    throw notRequired(target, home, error);
  }
  throw new ProfilerUnavailableError(
    'ERR_SENTRY_PROFILER_PLATFORM',
    `This version of sentry-profiler-node has no binary for ${platform()} (it would be ${fileName(target)}). ` +
      'Build one and set SENTRY_PROFILER_BINARY_PATH to it.',
  );
}

/** The error when the package's own file cannot be loaded. */
function notRequired(target: string, home: Home | undefined, error: unknown): ProfilerUnavailableError {
  const file = fileName(target);
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  const message = messageOf(error);
  const bundled = (why: string) =>
    new ProfilerUnavailableError(
      'ERR_SENTRY_PROFILER_BUNDLED',
      `This service is bundled, and ${file} is out of the bundle's reach: ${why}. Leave sentry-profiler-node outside ` +
        `the bundle (an external package), or copy ${file} from it and set SENTRY_PROFILER_BINARY_PATH to the copy.`,
      error,
    );
  if (code === 'ERR_UNKNOWN_BUILTIN_MODULE') {
    return bundled('a single executable can require modules of Node only');
  }
  // In the words of JavaScript, of esbuild and of Turbopack.
  if (/\brequire is not defined|Dynamic require of .* is not supported|could not resolve /.test(message)) {
    return bundled(message);
  }
  if (code !== 'MODULE_NOT_FOUND') {
    return notLoaded(ownName(target), sentence(message), OWN_ADVICE, error);
  }
  if (!home) {
    return bundled('it was not copied there');
  }
  const others = readdirSync(home.folder).filter(name => name.endsWith('.node'));
  const [rest, advice] =
    others.length > 0
      ? [`and the package has only ${others.join(', ')}`, 'keep it when you remove the files of other platforms']
      : ['as is every other .node file', 'when you copy node_modules, copy .node files as well'];
  return new ProfilerUnavailableError(
    'ERR_SENTRY_PROFILER_MISSING',
    `The package's file ${file} is missing, ${rest}. This process runs on ${platform()}. ` +
      `Install sentry-profiler-node again, and ${advice}.`,
    error,
  );
}

/** What to say when a file is there and does not load. */
function notLoaded(file: string, reason: string, advice: string, error?: unknown): ProfilerUnavailableError {
  const message = `${file} cannot be loaded on ${platform()}`;
  const elsewhere = outOfReach();
  if (elsewhere !== undefined) {
    return new ProfilerUnavailableError('ERR_SENTRY_PROFILER_RUNTIME', elsewhere, error);
  }
  if ((error as NodeJS.ErrnoException | null)?.code === 'ERR_DLOPEN_DISABLED') {
    const flags = (process as { permission?: object }).permission
      ? 'Node runs with its permission model, which forbids native add-ons. Start it with --allow-addons'
      : 'Node runs with --no-addons. Start it without that flag';
    return new ProfilerUnavailableError(
      'ERR_SENTRY_PROFILER_DISABLED',
      `${message}: ${flags} to profile the service.`,
      error,
    );
  }
  return new ProfilerUnavailableError('ERR_SENTRY_PROFILER_LOAD', `${message}: ${reason} ${advice}`, error);
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
