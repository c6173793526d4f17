// Runs the package's command.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE } from './environment.mjs';

export const COMMAND = join(PACKAGE, 'dist/cli.js');

/** A folder with these files, removed after the test. */
export function folder(t, files) {
  const dir = mkdtempSync(join(tmpdir(), 'sentry profiler '));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

/**
 * Starts the command in a folder, as the leader of a process group. `ended` has its exit code, its signal and its
 * output.
 */
export const start = (t, dir, args, options) => startProgram(t, dir, [COMMAND, ...args], options);

/** Starts another program of Node in the same way. */
function startProgram(t, dir, args, { env = {} } = {}) {
  const child = spawn(process.execPath, args, {
    cwd: dir,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  const waiting = [];
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', text => {
      output[name] += text;
      for (const check of waiting) check();
    });
  }
  const ended = new Promise(resolve => child.on('close', (code, signal) => resolve({ code, signal, ...output })));
  /** Waits until it has printed something that matches; returns the match. */
  const printed = pattern =>
    new Promise((resolve, reject) => {
      const check = () => {
        const match = pattern.exec(output.stdout);
        if (match) resolve(match);
      };
      waiting.push(check);
      check();
      ended.then(() => reject(new Error(`it ended before it printed ${pattern}: ${JSON.stringify(output)}`)));
    });
  return { pid: child.pid, ended, printed };
}

export const run = (t, dir, args, options) => start(t, dir, args, options).ended;

export const runProgram = (t, dir, args, options) => startProgram(t, dir, args, options).ended;

/** Milliseconds by function of a `.cpuprofile`. */
export function timesOf(file) {
  const { nodes, samples, timeDeltas, startTime, endTime } = JSON.parse(readFileSync(file, 'utf8'));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const times = {};
  // Each lasts until the next one, the last one until the end.
  const last = endTime - startTime - timeDeltas.reduce((sum, delta) => sum + delta, 0);
  samples.forEach((id, at) => {
    const name = names.get(id);
    times[name] = (times[name] ?? 0) + (timeDeltas[at + 1] ?? last) / 1e3;
  });
  return times;
}

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    // A process that its parent has not waited for is none.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
