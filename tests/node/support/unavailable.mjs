// A program that only loads the package, and the errors that it must report.

import assert from 'node:assert/strict';
import { TARGET } from './environment.mjs';

/** Loads the package and prints the result. */
export const LOAD = `
const profiler = require('sentry-profiler-node');
const errors = [1, 2].map(() => {
  try {
    profiler.startProfiling('title');
    profiler.stopProfiling('title');
    return null;
  } catch ({ name, code, message }) {
    return { name, code, message };
  }
});
console.log(JSON.stringify({ errors, support: profiler.profilerSupport() }));
`;

/** What `LOAD` printed. */
export function loadedBy(stdout) {
  const { errors, support } = JSON.parse(stdout);
  assert.deepEqual(errors[1], errors[0], 'every call throws the same error');
  return { error: errors[0], support };
}

/** Asserts that the error has this code and that its message contains all these parts. */
export function assertUnavailable(result, code, ...parts) {
  // A runtime that cannot be profiled cannot be on any platform.
  assertUnavailableOn(code === 'ERR_SENTRY_PROFILER_RUNTIME' ? '' : TARGET, result, code, ...parts);
}

/** The same in a process that takes itself for one on another platform. */
export function assertUnavailableOn(target, { error, support }, code, ...parts) {
  assert.equal(error?.name, 'ProfilerUnavailableError');
  assert.equal(error.code, code);
  for (const part of [target, ...parts]) {
    assert.ok(error.message.includes(part), `"${error.message}" says ${part}`);
  }
  assert.match(error.message, /[^.]\.$/);
  assert.doesNotMatch(error.message, /\.\. /);
  assert.deepEqual(
    { supported: support.supported, reason: support.reason },
    { supported: false, reason: error.message },
  );
}

export function assertLoaded({ error, support }) {
  assert.equal(error, null);
  assert.deepEqual(support, { supported: true, v8Version: process.versions.v8, missing: [], reason: null });
}
