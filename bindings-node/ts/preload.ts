// Loaded into each process and worker that `sentry-profiler-node record` records, before the program's own code.

import { mkdirSync, writeFileSync } from 'node:fs';
import { findSourceMap } from 'node:module';
import { basename, join } from 'node:path';
import { isMainThread, threadId } from 'node:worker_threads';
import type { RecordSettings } from './cli/settings';
import { SETTINGS } from './cli/settings';
import { loadAddon } from './loader';
import { messageOf } from './sentry';

/** Programs that start others. What they do themselves is not asked for. */
const MANAGERS = /[\\/](npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack)(-cli)?(\.[cm]?js)?$/;

/** In `NODE_OPTIONS` and on the command line, it is loaded twice. */
const LOADED = Symbol.for('sentry-profiler-node.preload');

/** A timer of a longer time is due at once. */
const LONGEST_MS = 2 ** 31 - 1;
const MAPS_EACH_MS = 1_000;

function main(): void {
  const text = process.env[SETTINGS];
  const once = globalThis as { [LOADED]?: boolean };
  if (text === undefined || once[LOADED]) {
    return;
  }
  once[LOADED] = true;
  const settings = JSON.parse(text) as RecordSettings;
  if (isMainThread && !settings.children) {
    delete process.env[SETTINGS];
  }
  if ((!isMainThread && !settings.workers) || (isMainThread && MANAGERS.test(process.argv[1] ?? ''))) {
    return;
  }
  const { fromMs = 0, untilMs = Number.POSITIVE_INFINITY } = settings;
  if (Date.now() < fromMs) {
    setTimeout(() => record(settings), Math.min(fromMs - Date.now(), LONGEST_MS)).unref();
  } else if (Date.now() < untilMs) {
    record(settings);
  }
  if (settings.port && isMainThread) {
    reportPort(settings.dir);
  }
}

function record(settings: RecordSettings): void {
  try {
    const addon = loadAddon();
    addon.hideFile(__filename);
    mkdirSync(settings.dir, { recursive: true, mode: 0o700 });
    const head = {
      pid: process.pid,
      ppid: process.ppid,
      name: process.argv[1] === undefined ? 'node' : basename(process.argv[1]),
      thread: isMainThread ? 'main' : `worker ${threadId}`,
      threadId,
      command: [...process.execArgv, ...process.argv.slice(1)],
      node: process.version,
      cwd: process.cwd(),
    };
    const file = join(settings.dir, `${process.pid}-${threadId}-${Date.now()}.journal`);
    addon.startJournal(file, JSON.stringify(head), { intervalUs: settings.intervalUs });
    const finish = (code: number | undefined) => addon.finishJournal(JSON.stringify({ code }), mapOf);
    process.on('exit', finish);
    // Another end than these may come at any time.
    setInterval(() => addon.journalMaps(mapOf), MAPS_EACH_MS).unref();
    if (settings.untilMs !== undefined) {
      setTimeout(() => finish(undefined), Math.min(settings.untilMs - Date.now(), LONGEST_MS)).unref();
    }
  } catch (error) {
    // The program's output is its own, so only the command says what went wrong.
    writeFileSync(join(settings.dir, `${process.pid}-${threadId}.error`), messageOf(error));
  }
}

/** The map of what was compiled from a file here, by `tsx` for one. Node has it where it was told to read maps. */
function mapOf(file: string): string | undefined {
  const map = findSourceMap(file)?.payload;
  return map === undefined ? undefined : JSON.stringify(map);
}

/** Tells the command on which port the program listens. */
function reportPort(dir: string): void {
  const net = require('node:net') as typeof import('node:net');
  const { listen } = net.Server.prototype;
  net.Server.prototype.listen = function (this: import('node:net').Server, ...given: unknown[]) {
    this.once('listening', () => {
      const address = this.address();
      if (address !== null && typeof address === 'object') {
        writeFileSync(join(dir, 'port'), String(address.port));
      }
    });
    return Reflect.apply(listen, this, given) as import('node:net').Server;
  } as typeof listen;
}

try {
  main();
} catch {
  // The program runs anyway, even where nothing can be written any more.
}
