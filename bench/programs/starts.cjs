'use strict';
// Many starts and stops: node starts.cjs PROFILER FUNCTIONS COUNT. FUNCTIONS is the size of the application. The profiler and the peer take turns, since a
// process that is a little slower than another is it for both.

const { PROFILERS, blocks, median, percentile } = require('./profilers.cjs');
const { enlarge, program } = require('./shapes.cjs');

const [name, functions, count] = process.argv.slice(2);

async function main() {
  globalThis.application = enlarge(Number(functions));
  const { run } = program('shallow');
  const twins = [name, 'peer'].map(twin => ({ profiler: PROFILERS[twin](), start: [], stop: [] }));
  for (const { profiler } of twins) profiler.load();
  await run(500);
  for (let i = 0; i < count; i++) {
    for (const twin of twins) {
      twin.profiler.start();
      await run(40);
      // What it resolves to may never come: a chunk this short can be too small to be sent.
      void twin.profiler.stop();
      await run(10);
      for (const call of ['start', 'stop']) twin[call].push(blocks[call].pop());
    }
    // Who came last is first next time.
    twins.reverse();
  }
  const [own, peer] = count % 2 ? twins.reverse() : twins;
  const [first, ...later] = own.start;
  // V8 waits for its new thread: half a millisecond where that has to wake a core, which the median is now with and now without.
  const quartile = starts => percentile(starts, 0.25);
  return {
    firstStart: first,
    start: median(later),
    startQuartile: quartile(later),
    startShare: quartile(later) / quartile(peer.start.slice(1)),
    stopMedian: median(own.stop),
    stopP99: percentile(own.stop, 0.99),
  };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
