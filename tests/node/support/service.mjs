// Runs a test's small service in a child process.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PACKAGE, SDK } from './environment.mjs';
import { work } from './profile.mjs';

/** A folder with the given files and with `sdk`'s packages and ours installed. Removed after the test. */
export function project(t, files, sdk = SDK) {
  const dir = mkdtempSync(join(tmpdir(), 'sentry-profiler-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  symlinkSync(join(sdk.dir, 'node_modules'), join(dir, 'node_modules'), 'dir');
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(dir, name), content);
  }
  return dir;
}

/** The same, without an SDK and with a copy of our package that a test may break. */
export function projectWithCopy(t, files) {
  const dir = project(t, files);
  unlinkSync(join(dir, 'node_modules'));
  mkdirSync(join(dir, 'node_modules'));
  cpSync(PACKAGE, join(dir, 'node_modules/sentry-profiler-node'), { recursive: true });
  return dir;
}

/** `work(ms)` keeps the thread busy. */
export const WORK = `
function work(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) sum += Math.sqrt(sum + 1);
  return sum;
}
`;

/** The beginning of every test's service. `busy('name')(ms)` works in a function of that name. */
export const SERVICE = `
const Sentry = require('@sentry/node');
const { nodeProfilingIntegration } = require('sentry-profiler-node');
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const busy = name => new Function('return ' + ${JSON.stringify(work('NAME'))}.replace('NAME', name))();
`;

const TIMEOUT_MS = 30_000;

/**
 * Runs a file with this Node, or another program, until it ends, and returns its output. It must exit with `code`, or
 * be ended by `signal`. A process that does not end is killed and fails the test. `meanwhile` is called with the
 * process and its output lines.
 */
export async function run(
  file,
  {
    program = process.execPath,
    args = [],
    flags = [],
    env = {},
    code = 0,
    signal: expected = null,
    cwd,
    timeout = TIMEOUT_MS,
    meanwhile,
  } = {},
) {
  const child = spawn(program, [...flags, file, ...args], {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => resolve(end));
  });
  try {
    await meanwhile?.(child, createInterface(child.stdout)[Symbol.asyncIterator]());
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  const [exitCode, signal] = await ended;
  clearTimeout(timer);
  const output = `--- stdout\n${stdout}\n--- stderr\n${stderr}`;
  assert.equal(signal, expected, `the process was ended by ${signal}; the limit is ${timeout} ms\n${output}`);
  assert.equal(exitCode, expected ? null : code, `the process exited with ${exitCode}\n${output}`);
  return { stdout, stderr, lines: stdout.split('\n') };
}

/** Writes `source` as the service's only file and runs it with the ingest's DSN. `.mjs` names are ES modules. */
export async function runService(t, source, { ingest, sdk = SDK, name = 'service.cjs', env = {}, ...options } = {}) {
  const dir = project(t, { [name]: source }, sdk);
  const file = join(dir, name);
  const result = await run(file, { env: { ...(ingest && { SENTRY_DSN: ingest.dsn }), ...env }, ...options });
  return { ...result, dir, file };
}

/** The environment without variables that change the SDK, the profiler or the test runner. */
function cleanEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SENTRY_|NODE_OPTIONS$|NODE_TEST_CONTEXT$)/.test(name)),
  );
}
