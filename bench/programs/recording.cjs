'use strict';
// One recording of one shape: node --expose-gc recording.cjs PROFILER SHAPE SECONDS. Prints its figures as JSON.

const { readFileSync, writeFileSync } = require('node:fs');
const { gzipSync } = require('node:zlib');
const { PROFILERS, blocks, ownThreadsMs, sum, warmUp } = require('./profilers.cjs');
const { program } = require('./shapes.cjs');

const [name, shape, seconds] = process.argv.slice(2);

/** A line of /proc/self/status, MB. */
const memory = line => Number(readFileSync('/proc/self/status', 'utf8').match(`${line}:\\s+(\\d+) kB`)[1]) / 1e3;

async function main() {
  const profiler = PROFILERS[name]();
  const { run } = program(shape);
  profiler.load();
  warmUp();
  await run(1_000);
  globalThis.gc();
  // Resets the peak of the resident memory.
  writeFileSync('/proc/self/clear_refs', '5');
  const rss = memory('VmRSS');

  profiler.start();
  // Resets the counts, because the start is measured separately.
  profiler.isolateTime();
  await run(seconds * 1_000);
  const cpuBefore = process.cpuUsage();
  const bytes = await profiler.stop();
  const cpu = process.cpuUsage(cpuBefore);
  const peak = memory('VmHWM');
  if (bytes === undefined) {
    return { rss: peak - rss };
  }

  const calls = [...blocks.stop, ...blocks.deliver];
  const isolate = profiler.isolateTime();
  // Ours also works in interrupts, which only the add-on can measure, and its two calls are turns of the event loop
  // apart.
  const own = name === 'ours' && {
    longest: Math.max(isolate.longestMs, ...calls),
    blockMedian: isolate.medianMs,
    blockP99: isolate.p99Ms,
    deleting: isolate.deletingMs,
    ownThreads: ownThreadsMs(),
  };
  return {
    start: blocks.start[0],
    stop: sum(blocks.stop),
    deliver: sum(blocks.deliver),
    longest: sum(calls),
    total: profiler.onThread(isolate),
    cpu: (cpu.user + cpu.system) / 1e3,
    rss: peak - rss,
    bytes: bytes.length,
    gzip: gzipSync(bytes).length,
    ...own,
  };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
