// A Lambda function with AWS's own runtime client. The profile of an invocation must reach Sentry before the response
// is posted, because the process may be frozen from then on.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ADDON, requireTool } from '../node/support/environment.mjs';
import { startIngest } from '../node/support/ingest.mjs';
import { inOrder, isIdle, stackOf } from '../node/support/profile.mjs';
import { installRuntime, Lambda } from './runtime.mjs';

const EXAMPLE = fileURLToPath(new URL('../../examples/aws-lambda', import.meta.url));
const FROZEN_MS = 3000;
/** Half a second of work: long compared with what is lost at its ends, two sampling intervals in manual lifecycle. */
const EVENT = { limit: 3_000_000 };
const TOLERANCE_S = 0.01;

/** The example as it is deployed: its files next to its packages. */
function deployed(t, modules) {
  const dir = mkdtempSync(join(tmpdir(), 'sentry-profiler-lambda-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const file of ['package.json', 'instrument.mjs', 'handler.mjs']) {
    copyFileSync(join(EXAMPLE, file), join(dir, file));
  }
  symlinkSync(modules, join(dir, 'node_modules'), 'dir');
  return { taskRoot: dir, env: { NODE_OPTIONS: '--require sentry-profiler-node/early --import ./instrument.mjs' } };
}

/**
 * The example bundled with our package as its README says, with the SDK in a layer, and our binary in another folder,
 * which an environment variable names.
 */
function bundled(t, modules, variable) {
  const root = mkdtempSync(join(tmpdir(), 'sentry-profiler-lambda-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const [layer, binaries] = ['layer', 'binaries'].map(name => join(root, name));
  [layer, binaries].forEach(dir => mkdirSync(dir));
  const sources = deployed(t, modules).taskRoot;
  const [, command] = /^npx esbuild (.*)$/m.exec(readFileSync(join(EXAMPLE, 'README.md'), 'utf8'));
  const esbuild = join(dirname(requireTool.resolve('esbuild/package.json')), 'bin/esbuild');
  execFileSync(esbuild, [...command.split(' '), '--log-level=warning'], { cwd: sources });
  // Where the sources and their packages cannot be found.
  const task = join(root, 'task');
  cpSync(join(sources, 'dist'), task, { recursive: true });
  symlinkSync(join(modules, '@sentry'), join(layer, '@sentry'), 'dir');
  const binary = join(binaries, basename(ADDON));
  copyFileSync(ADDON, binary);
  const value = variable === 'SENTRY_PROFILER_BINARY_PATH' ? binary : binaries;
  return { taskRoot: task, env: { NODE_OPTIONS: '--import ./instrument.cjs', NODE_PATH: layer, [variable]: value } };
}

/** The seconds of an invocation that were spent in the function by a chunk's samples, as Sentry computes them. */
function secondsIn(chunks, name, { from, to }) {
  let seconds = 0;
  for (const { profile } of chunks) {
    for (const [i, sample] of profile.samples.entries()) {
      const next = profile.samples[i + 1];
      const { timestamp } = sample;
      const inside = timestamp >= from - TOLERANCE_S && timestamp <= to + TOLERANCE_S;
      if (next && inside && stackOf(profile, sample).some(frame => frame.function === name)) {
        seconds += next.timestamp - timestamp;
      }
    }
  }
  return seconds;
}

// Two at a time, because they are frozen most of the time.
describe('AWS Lambda', { concurrency: 2 }, () => {
  const modules = installRuntime();
  for (const [name, prepare, lifecycle] of [
    ['with its packages, trace', deployed, 'trace'],
    ['with its packages, manual', deployed, 'manual'],
    ['bundled, SENTRY_PROFILER_BINARY_DIR', (t, m) => bundled(t, m, 'SENTRY_PROFILER_BINARY_DIR'), 'trace'],
    ['bundled, SENTRY_PROFILER_BINARY_PATH', (t, m) => bundled(t, m, 'SENTRY_PROFILER_BINARY_PATH'), 'manual'],
  ]) {
    test(`a function ${name}`, async t => {
      const ingest = await startIngest(t);
      /** What the ingest had received when an invocation's response was posted. */
      const arrived = new Map();
      const { taskRoot, env } = prepare(t, modules);
      const lambda = await Lambda.start(t, {
        taskRoot,
        modules,
        handler: 'handler.handler',
        env: {
          SENTRY_DSN: ingest.dsn,
          PROFILE_LIFECYCLE: lifecycle,
          ...env,
        },
        onResponse: async id => arrived.set(id, await ingest.items()),
      });

      const invocations = [await lambda.invoke(EVENT), await lambda.invoke(EVENT)];
      const freezes = [];
      for (const event of [EVENT, { limit: 'many' }, EVENT]) {
        freezes.push(await lambda.freeze(FROZEN_MS));
        invocations.push(await lambda.invoke(event));
      }
      await lambda.stop();

      const expected = ['response', 'response', 'response', 'error', 'response'];
      assert.deepEqual(
        invocations.map(({ status }) => status),
        expected,
        lambda.output,
      );
      for (const [i, invocation] of invocations.entries()) {
        const items = arrived.get(invocation.id);
        const chunks = inOrder(
          items.filter(({ header }) => header.type === 'profile_chunk').map(({ payload }) => payload),
        );
        const transactions = items.filter(({ header }) => header.type === 'transaction').map(({ payload }) => payload);
        assert.equal(transactions.length, i + 1, 'every invocation has sent its span');
        const { contexts } = transactions.at(-1);
        assert.equal(contexts.trace.data['faas.execution'], invocation.id);
        assert.equal(contexts.profile.profiler_id, chunks[0].profiler_id, 'the span refers to its profile');
        assert.equal(contexts.trace.data['thread.id'], '0');
        if (invocation.status === 'response') {
          const { start_timestamp: from, timestamp: to } = transactions.at(-1);
          const seconds = secondsIn(chunks, 'countPrimes', { from, to });
          t.diagnostic(
            `invocation ${i + 1}: ${(to - from).toFixed(2)} s, ${seconds.toFixed(2)} s of it profiled in the function`,
          );
          assert.ok(seconds >= 0.7 * (to - from), `${seconds} s of an invocation of ${to - from} s are in its profile`);
        }
      }

      const chunks = inOrder(await ingest.chunks());
      for (const { profile } of chunks) {
        for (const [i, sample] of profile.samples.entries()) {
          const next = profile.samples[i + 1];
          const frozen = freezes.find(({ from, to }) => sample.timestamp < from && next?.timestamp > to);
          assert.ok(!frozen || isIdle(profile, sample), 'frozen time counts for a stack');
          const within = freezes.some(({ from, to }) => sample.timestamp > from + 0.1 && sample.timestamp < to - 0.1);
          assert.ok(!within, 'a sample from while the process was frozen');
        }
      }
      assert.ok(chunks.length >= 4, `${chunks.length} chunks of five invocations`);
      assert.equal(new Set(chunks.map(({ chunk_id }) => chunk_id)).size, chunks.length);
    });
  }
});
