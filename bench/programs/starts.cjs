'use strict';
// Many starts and stops: node starts.cjs PROFILER FUNCTIONS COUNT. FUNCTIONS is the size of the application. The
// profiler and the peer take turns in one process, because processes differ slightly in speed.

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
      // May never resolve: such a short chunk can be too small to be sent.
      void twin.profiler.stop();
      await run(10);
      for (const call of ['start', 'stop']) twin[call].push(blocks[call].pop());
    }
    // The last one is first the next time.
    twins.reverse();
  }
  const [own, peer] = count % 2 ? twins.reverse() : twins;
  const [first, ...later] = own.start;
  // V8 waits for its new thread, which takes half a millisecond more if a core must wake up. The median includes that
  // in some runs and not in others, so take the lower quartile.
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
