// V8's recordings are deleted while the program creates functions, calls them and drops them.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { ADDON } from './support/environment.mjs';
import { project, run } from './support/service.mjs';

const PROGRAM = `
const { Worker, isMainThread } = require('node:worker_threads');
const { isolateTime, Session } = require(process.env.ADDON);

const session = new Session({ lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main' }, () => {});
session.start();
isolateTime();

const living = [];
let made = 0;
/** A third of these functions is dropped each time. Those that are called often are optimized and inlined first. */
function generation() {
  for (let i = 0; i < 15; i++) {
    made += 1;
    living.push(new Function('depth', \`
      function leaf\${made}(x) { let sum = x; for (let i = 0; i < 300; i++) sum = (sum * 31 + i) | 0; return sum; }
      function path\${made}(depth) { return depth ? path\${made}(depth - 1) + leaf\${made}(depth) : leaf\${made}(1); }
      return path\${made}(depth);\`));
  }
  for (let round = 0; round < 20; round++) living.forEach((call, at) => call(5 + ((round + at) % 40)));
  living.splice(0, Math.max(0, living.length - 30));
}

for (const end = Date.now() + (isMainThread ? 4_000 : 1_500); Date.now() < end; ) {
  generation();
  if (made % 150 === 0) gc();
}
const beside = isolateTime();
session.stop();
setTimeout(() => {
  const [chunk] = session.close();
  const after = isolateTime();
  if (isMainThread) console.log(JSON.stringify({ beside, after, samples: chunk.sampleCount }));
}, 100);
// Terminate the worker while its recordings are deleted.
if (isMainThread) setTimeout(worker => worker.terminate(), 1_000, new Worker(__filename));
`;

test('recordings are deleted as the program goes on, and the last one when the session is closed', async t => {
  const dir = project(t, { 'main.cjs': PROGRAM });
  // glibc overwrites freed memory.
  const env = { ADDON, MALLOC_PERTURB_: '165' };
  const { stdout } = await run(join(dir, 'main.cjs'), { flags: ['--expose-gc'], env });
  const { beside, after, samples } = JSON.parse(stdout);
  assert.ok(beside.count >= 20, `several slices: ${JSON.stringify(beside)}`);
  assert.ok(beside.deletingMs > 0, JSON.stringify(beside));
  assert.ok(after.deletingMs > 0, JSON.stringify(after));
  assert.ok(samples >= 100, `${samples} samples`);
});
