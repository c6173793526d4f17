'use strict';
// Many starts and stops: node starts.cjs PROFILER FUNCTIONS COUNT. FUNCTIONS is the size of the application.

const { PROFILERS, blocks, median, percentile } = require('./profilers.cjs');
const { enlarge, program } = require('./shapes.cjs');

const [name, functions, count] = process.argv.slice(2);

async function main() {
  globalThis.application = enlarge(Number(functions));
  const { run } = program('shallow');
  const profiler = PROFILERS[name]();
  profiler.load();
  await run(500);
  for (let i = 0; i < count; i++) {
    profiler.start();
    await run(40);
    // What it resolves to may never come: a chunk this short can be too small to be sent.
    void profiler.stop();
    await run(10);
  }
  const [first, ...later] = blocks.start;
  return {
    firstStart: first,
    start: median(later),
    // V8 waits for its new thread: half a millisecond where that has to wake a core, which the median is now with and now without.
    startQuartile: percentile(later, 0.25),
    stopMedian: median(blocks.stop),
    stopP99: percentile(blocks.stop, 0.99),
  };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
