'use strict';
// Consecutive chunks of the deep shape without a pause in the program: node rotation.cjs PROFILER CHUNK_SECONDS. Ours
// and the peer, each as its integration starts a new chunk.

const { PROFILERS, blocks, sum, warmUp } = require('./profilers.cjs');
const { program } = require('./shapes.cjs');

const [name, seconds] = process.argv.slice(2);
const CHUNKS = 3;

async function main() {
  const profiler = PROFILERS[name]({ chunkDurationMs: seconds * 1_000 });
  const { run } = program('deep');
  profiler.load();
  warmUp();
  await run(1_000);
  profiler.start();
  if (name === 'ours') {
    profiler.isolateTime();
    await run(CHUNKS * seconds * 1_000);
    return { longest: Math.max(profiler.isolateTime().longestMs, ...blocks.deliver) };
  }
  const rotations = [];
  for (let i = 0; i < CHUNKS; i++) {
    await run(seconds * 1_000);
    await profiler.stop();
    await new Promise(setImmediate);
    profiler.start();
    rotations.push(blocks.stop.at(-1) + blocks.deliver.at(-1), blocks.start.at(-1));
  }
  return { longest: Math.max(...rotations), total: sum(rotations) };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
