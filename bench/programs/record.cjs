'use strict';
// The command that records a program, beside others: node record.cjs TOOL SECONDS MEGABYTES, in the folder where all are
// installed. Each pair is the same program without a tool and with one.

const { spawn, spawnSync } = require('node:child_process');
const {
  createWriteStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { once } = require('node:events');

const [, , tool, seconds, megabytes] = process.argv;
const modules = join(process.cwd(), 'node_modules');
const ours = (...args) => [join(modules, 'sentry-profiler-node/dist/cli.js'), ...args];
const TOOLS = {
  none: [],
  ours: ours('record', '-q', '-o', 'out', '-f', 'html,cpuprofile'),
  // As often as we do.
  '--cpu-prof': ['--cpu-prof', '--cpu-prof-interval=10101', '--cpu-prof-dir=out'],
  '0x': [join(modules, '0x/cmd.js'), '-D', 'out'],
  flame: [join(modules, '@platformatic/flame/bin/flame.js'), 'run'],
};

const folder = mkdtempSync(join(tmpdir(), 'bench-record-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = (name, text) => {
  writeFileSync(join(folder, name), text);
  return name;
};
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

const BURN = `
function burn(rounds) {
  let sum = 0;
  for (let i = 0; i < rounds; i++) sum += JSON.stringify({ at: i, text: 'round ' + i, parts: [i, sum % 7] }).length;
  return sum;
}
`;
const PROGRAMS = {
  first: file('first.cjs', `console.log('first');`),
  work: file('work.cjs', `${BURN}burn(Number(process.argv[2]));`),
  loop: file('loop.cjs', `${BURN}console.log(process.pid + ' ' + Date.now());\nfor (;;) burn(1_000);`),
};

const start = (name, ...args) =>
  spawn(process.execPath, [...name, ...args], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, BROWSER: 'none', FLAME_NO_OPEN: '1' },
  });

/** The CPU time of all processes that ended and were waited for, ms. */
function cpuOfChildren() {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

async function firstLine(name) {
  const begin = performance.now();
  const child = start(TOOLS[name], PROGRAMS.first);
  const ended = once(child, 'close');
  let passed;
  // Some tools print lines of their own.
  child.stdout.on('data', data => {
    if (/^first$/m.test(data)) passed ??= performance.now() - begin;
  });
  await ended;
  return passed;
}

async function cpu(name, rounds) {
  const before = cpuOfChildren();
  const child = start(TOOLS[name], PROGRAMS.work, String(rounds));
  child.stdout.resume();
  await once(child, 'close');
  return cpuOfChildren() - before;
}

/** The size of the page about a run of the TypeScript compiler, bytes. */
async function page() {
  rmSync(join(folder, 'out'), { recursive: true, force: true });
  const typescript = join(modules, 'typescript/lib');
  const args = ['--noEmit', '--strict', '--target', 'es2022', join(typescript, 'typescript.d.ts')];
  const child = start(TOOLS[tool], join(typescript, 'tsc.js'), ...args);
  child.stdout.resume();
  await once(child, 'close');
  const pages = readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.html'));
  return pages.length > 0 ? Math.max(...pages.map(name => statSync(join(folder, name)).size)) : undefined;
}

/** What is missing in the profile of an endless loop, ms, after a signal to the program or to all. */
async function lost(signal, toAll) {
  rmSync(join(folder, 'out'), { recursive: true, force: true });
  const child = start(TOOLS.ours, PROGRAMS.loop);
  const [pid, began] = String(await once(child.stdout, 'data'))
    .split(' ')
    .map(Number);
  await new Promise(resolve => setTimeout(resolve, 1_730));
  const ended = once(child, 'close');
  const ran = Date.now() - began;
  process.kill(toAll ? -child.pid : pid, signal);
  await ended;
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, 'out/profile.cpuprofile')));
  const burns = new Set(nodes.filter(node => node.callFrame.functionName === 'burn').map(node => node.id));
  // From the loop's first sample on something ran all the time, the garbage collector at times.
  const first = samples.findIndex(id => burns.has(id));
  const us = timeDeltas.slice(first + 1).reduce((sum, delta) => sum + delta, 0);
  return ran - us / 1e3;
}

/** How long a large `.cpuprofile` takes to convert, s, and the memory that it takes, × the file. */
async function convert() {
  const large = join(folder, 'large.cpuprofile');
  const stream = createWriteStream(large);
  const bytes = Number(megabytes) * 1e6;
  // A thousand paths of 60 calls; then as many samples as fill the file.
  const [paths, depth] = [1_000, 60];
  const call = (id, children) => ({
    id,
    callFrame: {
      functionName: `f${id % 3_000}`,
      scriptId: '1',
      url: 'file:///app/code.js',
      lineNumber: id % 3_000,
      columnNumber: 4,
    },
    hitCount: 1,
    children,
  });
  const nodes = [
    call(
      1,
      Array.from({ length: paths }, (_, path) => 2 + path * depth),
    ),
  ];
  for (let id = 2; id < 2 + paths * depth; id++) nodes.push(call(id, (id - 2) % depth < depth - 1 ? [id + 1] : []));
  const text = JSON.stringify(nodes);
  const count = Math.floor((bytes - text.length) / 12);
  stream.write(`{"nodes":${text},"startTime":0,"endTime":${count * 1_000},"samples":[`);
  const part = (from, of) => Array.from({ length: Math.min(100_000, count - from) }, (_, at) => of(from + at)).join();
  for (const [of, end] of [
    [at => 2 + ((at * 7_919) % (paths * depth)), '],"timeDeltas":['],
    [() => 1_000, ']}'],
  ]) {
    for (let from = 0; from < count; from += 100_000) {
      if (!stream.write((from > 0 ? ',' : '') + part(from, of))) await once(stream, 'drain');
    }
    stream.write(end);
  }
  await new Promise(resolve => stream.end(resolve));
  const peak = file('peak.cjs', `process.on('exit', () => console.log(process.resourceUsage().maxRSS));`);
  const begin = performance.now();
  const { stdout } = spawnSync(
    process.execPath,
    ['--require', `./${peak}`, ...ours('convert', large, '-f', 'folded')],
    {
      cwd: folder,
    },
  );
  const took = (performance.now() - begin) / 1e3;
  return { convert: took, convertMemory: (Number(stdout) * 1024) / statSync(large).size };
}

async function main() {
  const [firsts, without, within] = [[], [], []];
  for (let pair = 0; pair < 7; pair++) firsts.push(-(await firstLine('none')) + (await firstLine(tool)));
  // As many rounds as take that long.
  const probe = 300_000;
  const rounds = Math.round((probe * Number(seconds) * 1e3) / (await cpu('none', probe)));
  for (let pair = 0; pair < 3; pair++) {
    without.push(await cpu('none', rounds));
    within.push(await cpu(tool, rounds));
  }
  // What else runs on a machine only ever adds to it.
  const cpuAdded = (Math.min(...within) / Math.min(...without) - 1) * 100;
  const figures = { firstLine: median(firsts), cpuAdded, page: await page() };
  if (tool === 'ours') {
    Object.assign(figures, { lostKill: await lost('SIGKILL', false), lostInt: await lost('SIGINT', true) });
    Object.assign(figures, await convert());
  }
  console.log(JSON.stringify(figures));
}

main();
