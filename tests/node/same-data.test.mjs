// We must not be fast by leaving data out: we and @sentry/node-cpu-profiler record the same program at the same time.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { ADDON, SDKS } from './support/environment.mjs';

const require = createRequire(import.meta.url);
const ours = require(ADDON);

const CHUNK = 1;
const SECONDS = 5;
/** The share of each leaf function in the program's time. */
const SHARES = { sorting: 0.4, parsing: 0.25, hashing: 0.15, matching: 0.12, joining: 0.08 };
const DEPTH = 40;

/** The peer has binaries for these majors only. */
const MAJORS = [18, 20, 22, 24, 26];
const major = Number(process.versions.node.split('.')[0]);
const skip = MAJORS.includes(major) ? false : `@sentry/node-cpu-profiler has no binary for Node ${major}`;

/** A leaf function of this name below its own path of `DEPTH` functions. */
function path(name) {
  const lines = [
    `function ${name}(ms) { const end = performance.now() + ms; let sum = 0;`,
    `  while (performance.now() < end) for (let i = 1; i < 20_000; i++) sum += Math.sqrt(i) % 7;`,
    `  return sum; }`,
    `function ${name}0(ms) { return ${name}(ms) + 1; }`,
  ];
  for (let i = 1; i < DEPTH; i++) lines.push(`function ${name}${i}(ms) { return ${name}${i - 1}(ms) + 1; }`);
  return new Function(`${lines.join('\n')}\nreturn ${name}${DEPTH - 1};`)();
}

const paths = Object.entries(SHARES).map(([name, share]) => [path(name), share]);

function program() {
  const end = performance.now() + SECONDS * 1e3;
  // In short turns, so that other load on the machine affects all paths alike.
  while (performance.now() < end) for (const [run, share] of paths) run(share * 50);
}

const isOurs = name => Object.keys(SHARES).some(leaf => name.startsWith(leaf));

/** The number of samples in the program, the share of each leaf, and all functions that are on some stack. */
function summary({ samples, stacks, frames }) {
  const names = samples.map(({ stack_id }) => stacks[stack_id].map(index => frames[index].function).filter(isOurs));
  const inside = names.filter(stack => stack.length > 0);
  const share = leaf => inside.filter(([first]) => first === leaf).length / inside.length;
  return {
    count: inside.length,
    shares: new Map(Object.keys(SHARES).map(leaf => [leaf, share(leaf)])),
    functions: new Set(inside.flat()),
    depths: inside.map(stack => stack.length),
  };
}

test('we record what @sentry/node-cpu-profiler records: the same functions, with the same shares', {
  skip,
}, async () => {
  const { dir } = SDKS.find(sdk => sdk.major === 11);
  const peer = createRequire(join(dir, 'package.json'))('@sentry/node-cpu-profiler').CpuProfilerBindings;
  let session;
  const chunk = new Promise(resolve => {
    const options = { lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main' };
    session = new ours.Session(options, () => session.poll().forEach(({ payload }) => resolve(payload)));
  });
  program();

  ours.startProfiling('same data');
  session.start();
  peer.startProfiling('same data');
  program();
  const theirs = summary(peer.stopProfiling('same data', CHUNK, 0));
  const native = summary(ours.stopProfiling('same data', CHUNK, 0));
  session.stop();
  // Waiting for the chunk does not keep the process alive.
  const alive = setInterval(() => {}, 1_000);
  const sent = summary(JSON.parse(Buffer.from(await chunk)).profile);
  clearInterval(alive);

  for (const [path, mine] of Object.entries({ native, sent })) {
    assert.deepEqual([...mine.functions].sort(), [...theirs.functions].sort(), `${path}: the same functions`);
    assert.ok(mine.count > 0.9 * theirs.count, `${path}: ${mine.count} samples, the peer has ${theirs.count}`);
    assert.equal(Math.max(...mine.depths), DEPTH + 1, `${path}: whole stacks`);
    for (const [leaf, share] of mine.shares) {
      const expected = theirs.shares.get(leaf);
      // The shares are independent, so allow five standard deviations of their difference.
      const deviation = Math.sqrt(expected * (1 - expected) * (1 / mine.count + 1 / theirs.count));
      assert.ok(
        Math.abs(share - expected) < 5 * deviation,
        `${path}: ${leaf} has ${share.toFixed(3)} of the samples, ${expected.toFixed(3)} of the peer's (±${deviation.toFixed(3)})`,
      );
    }
  }
});
