'use strict';
// Code that is compiled all the time, while nothing is recorded: node compiling.cjs PROFILER SECONDS.

const { compare, program } = require('./twins.cjs');

const WARM_UP_MS = 500;
const [name, seconds] = process.argv.slice(2);

let compiled = 0;

/** Compiles a function and calls it. No two are alike, so V8 cannot take one from its cache. */
function compile() {
  const id = compiled++;
  const body = `
    const names = values.map(value => 'name' + value + ${id});
    function longest(all) {
      return all.reduce((found, name) => (name.length > found.length ? name : found), '');
    }
    return longest(names).length + ${id};
  `;
  return new Function('values', body)([1, 20, 300]);
}

/** Compiles for the given milliseconds and returns how many functions. */
function repeat(ms) {
  const end = performance.now() + ms;
  const before = compiled;
  while (performance.now() < end) compile();
  return compiled - before;
}

async function main() {
  const slot = (twin, end) => twin.ask('work', end - performance.now());
  const { share, speed } = await compare(name, WARM_UP_MS, seconds, slot);
  return { compiling: share, compilingPerSecond: speed };
}

program(name, repeat, main);
