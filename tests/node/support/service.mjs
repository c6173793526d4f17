// Runs a small service of a test's own in a process of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SDK } from './environment.mjs';

/** A folder with the given files in which `sdk`'s packages and ours are installed, removed after the test. */
export function project(t, files, sdk = SDK) {
  const dir = mkdtempSync(join(tmpdir(), 'sentry-profiler-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  symlinkSync(join(sdk.dir, 'node_modules'), join(dir, 'node_modules'), 'dir');
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(dir, name), content);
  }
  return dir;
}

/** How the services of tests begin; `work` functions of their own tell what was recorded when. */
export const SERVICE = `
const Sentry = require('@sentry/node');
const { nodeProfilingIntegration } = require('sentry-profiler-node');
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
/** A function of that name that keeps the thread busy for about so many milliseconds. */
const busy = name => new Function(\`return function \${name}(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  do {
    for (let i = 1; i < 200_000; i++) sum += Math.sqrt(i) % 7;
  } while (performance.now() < end);
  return sum;
}\`)();
`;

const TIMEOUT_MS = 30_000;

/**
 * Runs a file with this Node until it ends and returns what it wrote. It must exit with `expected.code`, which is 0 unless said
 * otherwise; one that does not exit is killed and fails the test.
 */
export async function run(file, { args = [], flags = [], env = {}, code = 0, cwd } = {}) {
  const child = spawn(process.execPath, [...flags, file, ...args], {
    cwd,
    env: { ...cleanEnvironment(), ...(process.env.FAKE && { NODE_OPTIONS: '--require=' + process.env.FAKE }), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  const [exitCode, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => resolve(end));
  });
  clearTimeout(timer);
  const output = `--- stdout\n${stdout}\n--- stderr\n${stderr}`;
  assert.equal(signal, null, `the process was ended by ${signal}, ${TIMEOUT_MS} ms is the limit\n${output}`);
  assert.equal(exitCode, code, `the process exited with ${exitCode}\n${output}`);
  return { stdout, stderr, lines: stdout.split('\n') };
}

/** Writes `source` as the service's only file and runs it against the ingest. A name ending in `.mjs` makes it an ES module. */
export async function runService(t, source, { ingest, sdk = SDK, name = 'service.cjs', env = {}, ...options } = {}) {
  const dir = project(t, { [name]: source }, sdk);
  const file = join(dir, name);
  const result = await run(file, { env: { ...(ingest && { SENTRY_DSN: ingest.dsn }), ...env }, ...options });
  return { ...result, dir, file };
}

/** The environment without what would change the SDK, the profiler or the test runner. */
function cleanEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SENTRY_|NODE_OPTIONS$|NODE_TEST_CONTEXT$)/.test(name)),
  );
}
