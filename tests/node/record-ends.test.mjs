// However a program ends, its profile is there, its end is repeated, and no process is left.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { work } from './support/profile.mjs';
import { folder, isAlive, start, timesOf } from './support/record.mjs';

const PROGRAM = `
${work('burn')}
const [, , end] = process.argv;
burn(700);
if (end === 'handles') process.on('SIGTERM', () => { burn(100); process.exit(5); });
console.log('pid ' + process.pid + '.');
const ends = {
  return() {},
  exit: () => process.exit(3),
  throw() { throw new Error('on purpose'); },
  reject() { Promise.reject(new Error('on purpose')); },
  abort: () => process.abort(),
  // What was not written yet is lost.
  kill() { burn(500); process.kill(process.pid, 'SIGKILL'); },
  memory() { const kept = []; for (;;) kept.push(new Array(1e5).fill(kept.length)); },
  loop() { for (;;) burn(10); },
  wait() { setInterval(() => {}, 1e3); },
  handles() { setInterval(() => {}, 1e3); },
};
ends[end]();
`;

/** What ends it, and how the command is to end. */
const OWN = [
  { end: 'return', code: 0 },
  { end: 'exit', code: 3 },
  { end: 'throw', code: 1 },
  { end: 'reject', code: 1 },
  { end: 'abort', signal: 'SIGABRT' },
  { end: 'kill', signal: 'SIGKILL' },
  { end: 'memory', signal: 'SIGABRT', node: ['--max-old-space-size=48'] },
];
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'].flatMap(signal =>
  ['loop', 'wait'].flatMap(end => ['child', 'parent', 'group'].map(to => ({ end, sent: signal, to, signal }))),
);
const OTHERS = [
  { end: 'loop', sent: 'SIGKILL', to: 'child', signal: 'SIGKILL' },
  { end: 'handles', sent: 'SIGTERM', to: 'parent', code: 5 },
];

/** At most this much may be missing, of 700 ms. */
const LEAST_MS = 350;

describe('ends', { concurrency: 2 }, () => {
  for (const { end, sent, to, code = null, signal = null, node = [] } of [...OWN, ...SIGNALS, ...OTHERS]) {
    test([end, sent, to && `to the ${to}`].filter(Boolean).join(' '), { timeout: 60_000 }, async t => {
      const dir = folder(t, { 'program.cjs': PROGRAM });
      const command = start(t, dir, [
        'record',
        '-o',
        'out',
        '-f',
        'html,cpuprofile',
        ...withNode(node),
        'program.cjs',
        end,
      ]);
      const [, pid] = await command.printed(/pid (\d+)\./);
      if (sent !== undefined) {
        process.kill({ child: Number(pid), parent: command.pid, group: -command.pid }[to], sent);
      }
      const ended = await command.ended;
      assert.deepEqual({ code: ended.code, signal: ended.signal }, { code, signal }, ended.stderr);
      const { burn } = timesOf(join(dir, 'out/profile.cpuprofile'));
      assert.ok(burn > LEAST_MS, `${burn} ms of 700`);
      assert.ok(existsSync(join(dir, 'out/report.html')));
      assert.equal(isAlive(Number(pid)), false, 'the program is left');
      const isKilled = signal !== null && signal !== 'SIGABRT';
      assert.equal(/not recorded: it was killed/.test(ended.stderr), signal !== null, `${isKilled} ${ended.stderr}`);
    });
  }
});

const withNode = options => (options.length > 0 ? ['node', ...options] : []);
