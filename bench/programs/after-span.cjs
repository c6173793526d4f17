'use strict';
// What a span leaves running after its end: node after-span.cjs PROFILER SPANS.

const { rates, startMeter } = require('./meter.cjs');
const { PROFILERS, median } = require('./profilers.cjs');

const [name, spans] = process.argv.slice(2);

const WORK_MS = 50;
/** The borders of the measured times, ms after the end of the span. By default, a recording lives for one second. */
const BORDERS_MS = [200, 1_000, 3_000];

function work() {
  const end = performance.now() + WORK_MS;
  let length = 0;
  while (performance.now() < end) length += JSON.stringify({ length, text: `length ${length}` }).length;
  return length;
}

async function main() {
  const profiler = PROFILERS[name]({ lifecycle: 'trace' });
  profiler.load();
  const readings = startMeter();
  const [soon, later] = [[], []];
  for (let i = 0; i < Number(spans); i++) {
    profiler.span(work);
    const [first, second, third] = await readings(BORDERS_MS);
    soon.push(rates(first, second).cpu);
    later.push(rates(second, third).cpu);
  }
  return { soonAfter: median(soon), laterAfter: median(later) };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
