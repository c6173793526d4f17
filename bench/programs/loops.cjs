'use strict';
// CPU-bound loops: node loops.cjs PROFILER SECONDS.

const { compare, program } = require('./twins.cjs');

const WARM_UP_MS = 500;
const [name, seconds] = process.argv.slice(2);

const text = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, text: `text ${id}`, parts: [id, id / 3] })));

/** Each takes two milliseconds at most, so several fit into a slot. */
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

/** Runs a loop for the given milliseconds and returns how often. */
function repeat([title, ms]) {
  const end = performance.now() + ms;
  let rounds = 0;
  for (; performance.now() < end; rounds++) LOOPS[title]();
  return rounds;
}

async function main() {
  const titles = Object.keys(LOOPS);
  const figures = {};
  for (const title of titles) {
    const slot = (twin, end) => twin.ask('work', [title, end - performance.now()]);
    const { share, speed } = await compare(name, WARM_UP_MS, seconds / titles.length, slot);
    figures[title] = share;
    figures[`${title}PerSecond`] = speed;
  }
  return figures;
}

program(name, repeat, main);
