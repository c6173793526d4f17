'use strict';
// CPU-bound loops: node loops.cjs PROFILER SECONDS. Rounds per second of CPU time for each.

const { PROFILERS } = require('./profilers.cjs');

const [name, seconds] = process.argv.slice(2);

const text = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, text: `text ${id}`, parts: [id, id / 3] })));

const LOOPS = {
  numbers() {
    let sum = 0;
    for (let i = 1; i < 200_000; i++) sum += Math.sqrt(i) % 7;
    return sum;
  },
  objects() {
    const made = new Map();
    for (let i = 0; i < 4_000; i++) made.set(`key${i % 500}`, { i, before: made.get(`key${(i * 7) % 500}`)?.i });
    return made.size;
  },
  json: () => JSON.parse(text).map(part => JSON.stringify(part)).length,
  calls: () => fibonacci(20),
};

function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

async function main() {
  const profiler = PROFILERS[name]();
  profiler.load();
  for (const loop of Object.values(LOOPS)) for (let i = 0; i < 100; i++) loop();
  profiler.start();
  const figures = {};
  for (const [title, loop] of Object.entries(LOOPS)) {
    const cpuBefore = process.cpuUsage();
    const end = performance.now() + (seconds * 1e3) / Object.keys(LOOPS).length;
    let rounds = 0;
    while (performance.now() < end) {
      for (let i = 0; i < 10; i++) loop();
      rounds += 10;
      // As a service does now and then.
      if (rounds % 200 === 0) await new Promise(setImmediate);
    }
    const cpu = process.cpuUsage(cpuBefore);
    figures[title] = rounds / ((cpu.user + cpu.system) / 1e6);
  }
  await profiler.stop();
  return figures;
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
