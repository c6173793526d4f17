// The command from what npm uploads, as each package manager installs and runs it, and with a TypeScript runner.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TARBALL } from '../node/support/environment.mjs';
import { work } from '../node/support/profile.mjs';
import { folder, run, runProgram, timesOf } from '../node/support/record.mjs';

const { SENTRY_PROFILER_TEST_ELSEWHERE: INSTALLED } = process.env;
const program = (name, file) => join(INSTALLED, 'node_modules', name, file);

const BUSY = { 'a.cjs': `${work('burn')}\nburn(400);\n` };
const RECORD = ['sentry-profiler-node', 'record', '-o', 'out', 'a.cjs'];

for (const [name, file, add, exec] of [
  ['pnpm', program('pnpm', 'bin/pnpm.cjs'), ['add', '--ignore-scripts'], ['exec']],
  ['yarn', program('yarn', 'bin/yarn.js'), ['add', '--ignore-scripts', '--no-lockfile'], ['--silent', 'run']],
]) {
  test(`${name} installs and runs it`, async t => {
    const dir = folder(t, { ...BUSY, 'package.json': '{ "private": true }' });
    const env = { COREPACK_ENABLE_STRICT: '0', CI: '1' };
    const added = await runProgram(t, dir, [file, ...add, TARBALL], { env });
    assert.equal(added.code, 0, added.stdout + added.stderr);
    const { code, stderr } = await runProgram(t, dir, [file, ...exec, ...RECORD], { env });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Recorded \d+ ms, of which \d+ ms ran/);
    assert.ok(timesOf(join(dir, 'out/profile.cpuprofile')).burn > 200);
  });
}

for (const [name, file] of [
  ['a CommonJS module', 'a.cts'],
  ['an ES module', 'a.mts'],
]) {
  test(`${name} that tsx compiles is shown where it was written`, async t => {
    const lines = [
      'interface Left { out: boolean }',
      'enum Kind { One, Two }',
      '',
      'function burnInTypeScript(ms: number): Left {',
      '  const end = performance.now() + ms;',
      '  let sum: number = Kind.Two;',
      '  while (performance.now() < end) {',
      '    for (let i = 0; i < 1_000; i++) sum += Math.sqrt(sum + i);',
      '  }',
      '  return { out: sum > 0 };',
      '}',
      'burnInTypeScript(500);',
    ];
    const dir = folder(t, { [file]: lines.join('\n') });
    const tsx = program('tsx', 'dist/cli.mjs');
    const { code, stderr } = await run(t, dir, ['record', '-o', 'out', '--', 'node', tsx, file]);
    assert.equal(code, 0, stderr);
    assert.ok(stderr.includes(`burnInTypeScript  ${file}:4\n`), stderr);
    assert.doesNotMatch(stderr, /source map/);
    const profiles = readdirSync(join(dir, 'out')).filter(name => name.endsWith('.cpuprofile'));
    const nodes = profiles.flatMap(name => JSON.parse(readFileSync(join(dir, 'out', name), 'utf8')).nodes);
    const found = nodes.filter(node => node.callFrame.functionName === 'burnInTypeScript');
    assert.deepEqual([...new Set(found.map(node => node.callFrame.lineNumber + 1))], [4]);
    // It compiles a file into one line, of which V8 tells no columns: rather no line than a wrong one.
    assert.deepEqual(
      found.flatMap(node => node.positionTicks ?? []),
      [],
    );
  });
}
