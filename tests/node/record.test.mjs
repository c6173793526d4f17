// The command: what it records, what it makes of it, what it says.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { NPM, requireTool, TARBALL } from './support/environment.mjs';
import { work } from './support/profile.mjs';
import { COMMAND, folder, run, runProgram, start, timesOf } from './support/record.mjs';

const BUSY = `${work('burn')}\nburn(400);\n`;
const RECORD = ['record', '-o', 'out'];

describe('record', { concurrency: 2 }, () => {
  test('a script, its arguments and its output', async t => {
    const dir = folder(t, { 'a b.cjs': `${BUSY}console.log(JSON.stringify(process.argv.slice(2)));` });
    const args = ['--flag', '-o', 'x y', '--'];
    const { code, stdout, stderr } = await run(t, dir, [...RECORD, 'a b.cjs', ...args]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), args);
    assert.match(stderr, /Recorded \d+ ms, of which \d+ ms ran: \d+ samples\./);
    assert.match(stderr, /own code \d+\.\d %/);
    assert.match(stderr, /burn {2}a b\.cjs:1/);
    assert.deepEqual(readdirSync(join(dir, 'out')).sort(), [
      'profile.cpuprofile',
      'profile.md',
      'recording',
      'report.html',
    ]);
    assert.ok(timesOf(join(dir, 'out/profile.cpuprofile')).burn > 200);
    assert.match(readFileSync(join(dir, 'out/profile.md'), 'utf8'), /^# a b\.cjs --flag/);
    if (process.platform !== 'win32') {
      assert.equal(statSync(join(dir, 'out/recording')).mode & 0o777, 0o700);
    }
  });

  test('workers and children, in every format', async t => {
    const dir = folder(t, {
      'main.mjs': `
import { execFileSync, fork } from 'node:child_process';
import { Worker } from 'node:worker_threads';
${work('inMain')}
inMain(300);
const ends = what => new Promise(resolve => what.on('exit', resolve));
await ends(new Worker(${JSON.stringify(`${work('inWorker')}\ninWorker(300);`)}, { eval: true }));
await ends(fork('child.cjs'));
execFileSync(process.execPath, ['-e', ${JSON.stringify(`${work('inEval')}\ninEval(300);`)}]);
`,
      'child.cjs': `${work('inChild')}\ninChild(300);`,
    });
    const formats = 'html,md,cpuprofile,pprof,folded,svg';
    const { code, stderr } = await run(t, dir, [...RECORD, '-f', formats, 'main.mjs']);
    assert.equal(code, 0, stderr);
    const files = readdirSync(join(dir, 'out'));
    for (const extension of ['cpuprofile', 'pb.gz', 'folded', 'svg']) {
      assert.equal(files.filter(file => file.endsWith(`.${extension}`)).length, 4, files.join(' '));
    }
    const profiles = files.filter(file => file.endsWith('.cpuprofile')).map(file => timesOf(join(dir, 'out', file)));
    for (const name of ['inMain', 'inWorker', 'inChild', 'inEval']) {
      assert.equal(profiles.filter(times => times[name] > 100).length, 1, name);
    }
    for (const name of ['main.mjs (pid', 'child.cjs (pid', 'worker 1']) assert.ok(stderr.includes(name), stderr);
  });

  test('neither workers nor children where they are not wanted', async t => {
    const dir = folder(t, {
      'main.cjs': `
const { Worker } = require('node:worker_threads');
const { fork } = require('node:child_process');
${BUSY}
new Worker('setTimeout(() => {}, 200)', { eval: true });
fork('child.cjs');
`,
      'child.cjs': BUSY,
    });
    const { code, stderr } = await run(t, dir, [...RECORD, '--no-workers', '--no-children', 'main.cjs']);
    assert.equal(code, 0, stderr);
    assert.equal(readdirSync(join(dir, 'out/recording')).length, 1);
  });

  test('a rate, a delay and a duration', async t => {
    const dir = folder(t, {
      'a.cjs': `${work('burn')}\nsetInterval(() => burn(50), 1);\nsetTimeout(() => process.exit(), 3_000);`,
    });
    const { stderr } = await run(t, dir, [...RECORD, '-r', '1000', '--delay', '200ms', '-d', '1', '--json', 'a.cjs']);
    const { samples, durationUs } = JSON.parse(stderr);
    // At the usual rate there are a hundred. A busy machine takes fewer than a thousand.
    assert.ok(samples > 200 && samples < (1.2 * durationUs) / 1e3, `${samples} samples in ${durationUs} µs`);
    assert.ok(durationUs < 2.3e6, `${durationUs} µs`);
  });

  test('a command, and what npm runs', async t => {
    const dir = folder(t, {
      'package.json': JSON.stringify({ name: 'x', version: '1.0.0', scripts: { start: 'node a.cjs' } }),
      'a.cjs': BUSY,
    });
    const { code, stderr } = await run(t, dir, [...RECORD, '--', 'npm', 'run', 'start']);
    assert.equal(code, 0, stderr);
    assert.equal(readdirSync(join(dir, 'out/recording')).length, 1, 'npm itself is not recorded');
    assert.ok(timesOf(join(dir, 'out/profile.cpuprofile')).burn > 200);
  });

  test('a service under load', async t => {
    const dir = folder(t, {
      'service.cjs': `
${work('answer')}
require('node:http').createServer((_, response) => { answer(50); response.end('yes'); }).listen(0);
`,
      'load.cjs': `(async () => { for (let i = 0; i < 10; i++) await fetch('http://127.0.0.1:' + process.env.PORT); })();`,
    });
    const load = `"${process.execPath}" load.cjs`;
    const { code, stderr } = await run(t, dir, [...RECORD, '--on-port', load, 'service.cjs']);
    assert.equal(code, 0, stderr);
    assert.ok(timesOf(join(dir, 'out/profile.cpuprofile')).answer > 250);
    assert.doesNotMatch(stderr, /not recorded/, 'we ended it ourselves');
  });

  test('many children that are killed when they have done their work', async t => {
    const dir = folder(t, {
      'runner.cjs': `
const { fork } = require('node:child_process');
(async () => {
  for (let at = 0; at < 9; at++) {
    const child = fork('child.cjs');
    await new Promise(resolve => child.once('message', resolve));
    child.kill();
    await new Promise(resolve => child.once('exit', resolve));
  }
})();`,
      'child.cjs': `${work('inChild')}\ninChild(300);\nprocess.send('done');\nsetInterval(() => {}, 1e3);`,
    });
    const { code, stderr } = await run(t, dir, [...RECORD, 'runner.cjs']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /The ends of 9 threads, such as child\.cjs, main, are not recorded/);
    assert.match(stderr, /in which \d+ threads ran/);
    const { inChild } = readdirSync(join(dir, 'out'))
      .filter(name => name.endsWith('.cpuprofile'))
      .map(name => timesOf(join(dir, 'out', name)))
      .reduce((sum, { inChild = 0 }) => ({ inChild: sum.inChild + inChild }), { inChild: 0 });
    assert.ok(inChild > 9 * 100, `${inChild} ms`);
    assert.match(stderr, /\*\.cpuprofile \(\d+ files\)$/m);
  });

  test('compiled code is shown where it was written', async t => {
    const source = `interface Left { out: boolean }\n\n${work('burnInSource')}\nburnInSource(400);\n`;
    const dir = folder(t, { 'a.ts': source });
    const options = {
      absWorkingDir: dir,
      entryPoints: ['a.ts'],
      sourcemap: true,
      minify: true,
      format: 'iife',
      logLevel: 'silent',
    };
    await requireTool('esbuild').build({ ...options, outfile: 'dist/a.js' });
    const args = [...RECORD, 'dist/a.js'];
    assert.match((await run(t, dir, args)).stderr, /burnInSource {2}a\.ts:3/);
    // A map that was moved away, and none at all.
    mkdirSync(join(dir, 'maps'));
    renameSync(join(dir, 'dist/a.js.map'), join(dir, 'maps/a.js.map'));
    const without = await run(t, dir, args);
    assert.doesNotMatch(without.stderr, /\(pid \d+\)/, 'the recording before is forgotten');
    assert.match(without.stderr, /The source map of .*a\.js is not used: there is no .*a\.js\.map/);
    assert.doesNotMatch(without.stderr, /burnInSource/);
    assert.match((await run(t, dir, ['record', '--source-maps', 'maps', ...args.slice(1)])).stderr, /burnInSource/);
    const off = await run(t, dir, ['record', '--source-maps', 'off', ...args.slice(1)]);
    assert.doesNotMatch(off.stderr, /burnInSource|source map/);
  });

  test('npx runs what npm uploads', async t => {
    const dir = folder(t, { 'a.cjs': BUSY });
    const env = { PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) };
    const npm = (name, ...args) => runProgram(t, dir, [join(NPM, `${name}-cli.js`), ...args], { env });
    const added = await npm('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', TARBALL);
    assert.equal(added.code, 0, added.stderr);
    const { code, stderr } = await npm('npx', 'sentry-profiler-node', ...RECORD, 'a.cjs');
    assert.equal(code, 0, stderr);
    assert.ok(timesOf(join(dir, 'out/profile.cpuprofile')).burn > 200);
  });

  test('a program that removes its own recording ends as it does', async t => {
    const dir = folder(t, {
      'a.cjs': `${BUSY}require('node:fs').rmSync('out', { recursive: true });process.exitCode = 7;`,
    });
    const { code, stderr } = await run(t, dir, [...RECORD, 'a.cjs']);
    assert.equal(code, 7, stderr);
    assert.match(stderr, /nothing was recorded/);
  });

  test('exit codes of what cannot run', async t => {
    const dir = folder(t, { text: 'no program' });
    const ends = async (...args) => {
      const { code, stderr } = await run(t, dir, args);
      return [code, stderr.split('\n')[0].replace('sentry-profiler-node: ', '')];
    };
    assert.deepEqual(await ends('record', 'no-such-program'), [127, 'there is no no-such-program']);
    assert.deepEqual(await ends('record'), [2, 'what is to be recorded? sentry-profiler-node record server.js']);
    assert.deepEqual(await ends('record', '--rat', '5', 'a'), [2, 'there is no option --rat; is --rate meant?']);
    assert.deepEqual(await ends('record', '-f', 'jpeg', 'a'), [
      2,
      'there is no format jpeg; the formats are html, md, cpuprofile, pprof, folded, svg',
    ]);
    assert.deepEqual(await ends('record', '-r', '0', 'a'), [2, '--rate must be a number from 1 to 10000, got 0']);
    assert.deepEqual(await ends('recrod'), [2, 'there is no command recrod; sentry-profiler-node --help lists them']);
    const [code, said] = await ends('record', '-o', 'idle', 'true');
    assert.deepEqual([code, said], [0, 'nothing was recorded: no Node program ran, or none long enough']);
  });
});

describe('files', { concurrency: 2 }, () => {
  test('a recording that goes on can be looked at, and completed', async t => {
    const dir = folder(t, {
      'loop.cjs': `${work('burn')}\nconsole.log('pid ' + process.pid + '.');\nfor (;;) burn(20);`,
    });
    const command = start(t, dir, [...RECORD, 'loop.cjs']);
    const [, pid] = await command.printed(/pid (\d+)\./);
    await new Promise(resolve => setTimeout(resolve, 1_500));
    const top = await run(t, dir, ['top', 'out']);
    assert.equal(top.code, 0, top.stderr);
    assert.match(top.stdout, /\d+\.\d % +[\d.]+ m?s {2}burn {2}loop\.cjs:1/);
    // Both are killed: nobody has made a report.
    process.kill(command.pid, 'SIGKILL');
    process.kill(Number(pid), 'SIGKILL');
    await command.ended;
    assert.equal(existsSync(join(dir, 'out/report.html')), false);
    const report = await run(t, dir, ['report', 'out']);
    assert.equal(report.code, 0, report.stderr);
    assert.match(report.stderr, /The end of loop\.cjs, main, is not recorded: it was killed, or still runs\./);
    assert.ok(timesOf(join(dir, 'out/profile.cpuprofile')).burn > 500);
  });

  test('on a terminal, the last row says what is recorded', { skip: !existsSync('/usr/bin/script') }, async t => {
    const dir = folder(t, {
      'idle.cjs': `
let n = 0;
process.stdout.write('half a ');
const timer = setInterval(() => (++n < 16 ? console.log('row ' + n) : clearInterval(timer)), 200);
`,
    });
    const [rows, cols] = [10, 100];
    const command = `stty rows ${rows} cols ${cols}; "${process.execPath}" "${COMMAND}" record -o out idle.cjs`;
    const options = { cwd: dir, encoding: 'utf8', env: { ...process.env, TERM: 'xterm' } };
    const printed = execFileSync('script', ['-qec', command, '/dev/null'], options);
    // What is seen after each part that was printed.
    const terminal = new (requireTool('@xterm/headless').Terminal)({ rows, cols, allowProposedApi: true });
    const screens = [];
    const { active } = terminal.buffer;
    for (const part of printed.split(/(?<=recording: )|(?<=\n)/)) {
      await new Promise(written => terminal.write(part, written));
      const line = at => active.getLine(active.baseY + at).translateToString(true);
      screens.push(Array.from({ length: rows }, (_, at) => line(at)));
    }
    const recording = screens.filter(screen => /^recording: [123] s, 1 thread, \d+ kB$/.test(screen[rows - 1]));
    assert.ok(recording.length > 5, printed);
    for (const screen of screens) {
      assert.deepEqual(
        screen.slice(0, -1).filter(line => /recording:/.test(line)),
        [],
        printed,
      );
    }
    // All of it is there, in its order, and the summary follows.
    const all = Array.from({ length: active.length }, (_, at) => active.getLine(at).translateToString(true));
    const rowsOf = Array.from({ length: 15 }, (_, at) => `${at === 0 ? 'half a ' : ''}row ${at + 1}`);
    assert.deepEqual(all.slice(0, 15), rowsOf, printed);
    assert.match(all.slice(15).join('\n'), /^\s*Recorded .* ran: \d+ samples?\.$/m);
    assert.doesNotMatch(all.join('\n'), /recording: |nothing was recorded/, 'it was idle');
  });

  test('convert and diff', async t => {
    const dir = folder(t, {
      'a.cjs': `${work('same')}${work('more')}\nsame(100);\nmore(Number(process.argv[2]));`,
      'broken.cpuprofile': '{"nodes": [',
    });
    await run(t, dir, ['record', '-o', 'before', 'a.cjs', '100']);
    await run(t, dir, ['record', '-o', 'after', 'a.cjs', '800']);
    // How long the functions took depends on what else the machine does, so all is compared with the two profiles.
    const [old, now] = ['before', 'after'].map(name => timesOf(join(dir, name, 'profile.cpuprofile')));
    const convert = await run(t, dir, ['convert', 'after/profile.cpuprofile', '-f', 'folded']);
    assert.equal(convert.code, 0, convert.stderr);
    const folded = readFileSync(join(dir, 'after/profile.folded'), 'utf8');
    const lines = [...folded.matchAll(/;more [^;\n]* (\d+)$/gm)];
    const us = lines.reduce((sum, line) => sum + Number(line[1]), 0);
    assert.ok(Math.abs(us / 1e3 - now.more) < 1, folded);
    const json = await run(t, dir, ['diff', 'before', 'after', '--json']);
    const { beforeUs, ranUs, changes } = JSON.parse(json.stdout);
    const ran = ({ '(idle)': _, ...times }) => Object.values(times).reduce((sum, ms) => sum + ms);
    const { beforeUs: moreBeforeUs, afterUs: moreAfterUs } = changes.find(change => change.function === 'more');
    for (const [us, ms] of [
      [beforeUs, ran(old)],
      [ranUs, ran(now)],
      [moreBeforeUs, old.more],
      [moreAfterUs, now.more],
    ]) {
      assert.ok(Math.abs(us / 1e3 - ms) < 1, `${ms} ms: ${json.stdout}`);
    }
    // Seven times as much work is more, however busy the machine is.
    const grown = (ranUs / beforeUs - 1) * 100;
    assert.ok(grown > 20, json.stdout);
    const diff = await run(t, dir, ['diff', 'before', 'after', '--fail-above', `${grown - 10}%`]);
    assert.equal(diff.code, 1, diff.stderr);
    assert.match(diff.stderr, /Ran [\d.]+ m?s before and [\d.]+ m?s after: \+\d+\.\d %\./);
    assert.match(diff.stderr, /\+[\d.]+ m?s .* more {2}a\.cjs/);
    assert.ok(existsSync(join(dir, 'diff.html')));
    for (const [from, to, limit] of [
      ['before', 'after', grown + 10],
      ['after', 'before', 0],
    ]) {
      assert.equal((await run(t, dir, ['diff', from, to, '--fail-above', `${limit}%`])).code, 0);
    }
    for (const [args, code, said] of [
      [['convert', 'broken.cpuprofile', '-f', 'md'], 125, /broken\.cpuprofile cannot be read: it is no such file: EOF/],
      [['convert', 'none', '-f', 'md'], 2, /there is no file or folder none/],
      [['diff', 'before'], 2, /diff needs two recordings/],
      [['report', '.'], 2, /\. has no recording; sentry-profiler-node record makes one/],
    ]) {
      const ended = await run(t, dir, args);
      assert.deepEqual([ended.code, said.test(ended.stderr)], [code, true], ended.stderr);
    }
    // Nothing that is read is overwritten, and no file by another of the same name.
    const own = join(dir, 'after/profile.cpuprofile');
    const before = readFileSync(own);
    const onto = await run(t, dir, ['convert', own, '-f', 'cpuprofile']);
    assert.deepEqual([onto.code, /would be overwritten/.test(onto.stderr)], [125, true], onto.stderr);
    assert.equal((await run(t, dir, ['report', own])).code, 0);
    assert.deepEqual(readFileSync(own), before);
    const both = ['report', 'before/profile.cpuprofile', own, '-o', 'both', '-f', 'folded'];
    assert.equal((await run(t, dir, both)).code, 0);
    assert.deepEqual(readdirSync(join(dir, 'both')), ['profile-0-main-2.folded', 'profile-0-main.folded']);
    writeFileSync(join(dir, 'none.cpuprofile'), '{"nodes": []}');
    assert.match((await run(t, dir, ['convert', 'none.cpuprofile', '-f', 'md'])).stderr, /has no samples/);
  });

  test('chunks are read, one or several', async t => {
    const dir = folder(t, {
      'make.cjs': `
const { profile } = require(${JSON.stringify(join(dirname(COMMAND), 'index.js'))});
const { writeFileSync } = require('node:fs');
${work('first')}${work('second')}
(async () => {
  for (const work of [first, second]) {
    const { profile: chunk } = await profile(() => work(300), { format: 'chunk' });
    writeFileSync(work.name + '.json', JSON.stringify({ profile: chunk }));
    writeFileSync(work.name + '-bare.json', JSON.stringify(chunk));
  }
})();
`,
    });
    const made = await runProgram(t, dir, ['make.cjs']);
    assert.equal(made.code, 0, made.stderr);
    for (const name of ['first', 'first-bare']) {
      const convert = await run(t, dir, ['convert', `${name}.json`, '-f', 'cpuprofile']);
      assert.equal(convert.code, 0, convert.stderr);
      assert.ok(timesOf(join(dir, `${name}.cpuprofile`)).first > 150);
    }
    const report = await run(t, dir, ['report', 'first.json', 'second.json', '-o', 'both']);
    assert.equal(report.code, 0, report.stderr);
    const { first, second } = timesOf(join(dir, 'both/profile.cpuprofile'));
    assert.ok(first > 150 && second > 150, `${first} and ${second} ms`);
  });

  test('help', async t => {
    const dir = folder(t, {});
    for (const args of [
      ['--help'],
      ['record', '--help'],
      ['report', '-h'],
      ['top', '-h'],
      ['diff', '-h'],
      ['convert', '-h'],
    ]) {
      const { code, stdout } = await run(t, dir, args);
      assert.equal(code, 0);
      assert.ok(
        stdout.split('\n').every(line => line.length <= 120),
        stdout,
      );
      assert.match(stdout, /Usage: sentry-profiler-node/);
    }
    assert.match((await run(t, dir, ['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  });
});
