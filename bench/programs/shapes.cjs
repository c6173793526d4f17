'use strict';
// The profiled programs: many functions, and a fixed set of call paths through them that branch like a tree.

const { Script } = require('node:vm');

/**
 * `paths` call paths of `depth[0]` to `depth[1]` frames over `functions` functions. On average a path shares its outer
 * part, of size `shared`, with another one. A profile at 99 Hz has 15,500 tree nodes (deep) or 68,000 (very deep).
 */
const SHAPES = {
  shallow: { paths: 40, depth: [3, 10], functions: 60, shared: 0.5, seconds: 5 },
  deep: { paths: 500, depth: [60, 100], functions: 400, shared: 0.62, seconds: 30 },
  // One second less than a chunk of Sentry, so that it fits into one chunk.
  'very-deep': { paths: 2_000, depth: [100, 120], functions: 1_000, shared: 0.69, seconds: 59 },
};

/** The same numbers in every process. */
function random(seed) {
  let state = seed;
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
}

function callPaths({ paths, depth: [least, most], functions, shared }) {
  const next = random(1);
  const pick = count => Math.floor(next() * count);
  const made = [];
  for (let i = 0; i < paths; i++) {
    const length = least + pick(most - least + 1);
    const other = i > 0 ? made[pick(i)] : [];
    const path = other.slice(0, Math.floor(length * (2 * shared - 1 + next() * 2 * (1 - shared))));
    while (path.length < length) path.push(pick(functions));
    made.push(path);
  }
  return made;
}

const FUNCTIONS_PER_FILE = 20;

/** Defines `count` functions in files of typical size. Each calls the next one of a path, the last one works. */
function callers(count) {
  const leaf = runIn(
    '/srv/shop/src/prices/leaf.js',
    `(function leaf() {
  let sum = 0;
  for (let i = 0; i < 20_000; i++) sum += Math.sqrt(i);
  return sum;
})`,
  );
  const steps = [];
  for (let first = 0; first < count; first += FUNCTIONS_PER_FILE) {
    const names = Array.from({ length: Math.min(FUNCTIONS_PER_FILE, count - first) }, (_, i) => `step${first + i}`);
    const source = names.map(
      name => `function ${name}(path, at) {
  if (at === path.length) return leaf();
  return steps[path[at]](path, at + 1) + 1;
}`,
    );
    const file = `/srv/shop/src/orders/service${first / FUNCTIONS_PER_FILE}.js`;
    steps.push(...runIn(file, `(function (steps, leaf) {\n${source.join('\n')}\nreturn [${names}];\n})`)(steps, leaf));
  }
  return steps;
}

const runIn = (filename, source) => new Script(source, { filename }).runInThisContext();

/** A shape's program: `run(ms)` keeps the thread busy and yields to the event loop every 20 ms. */
function program(name) {
  const shape = SHAPES[name];
  const paths = callPaths(shape);
  const steps = callers(shape.functions);
  let at = 0;
  const busy = ms => {
    const end = performance.now() + ms;
    do {
      const path = paths[(at++ * 7_919) % paths.length];
      steps[path[0]](path, 1);
    } while (performance.now() < end);
  };
  return {
    async run(ms) {
      const end = performance.now() + ms;
      while (performance.now() < end) {
        busy(Math.min(20, end - performance.now()));
        await new Promise(setImmediate);
      }
    },
  };
}

/** Adds functions to the process, compiled and run once, as in a larger application. */
function enlarge(functions) {
  const parts = Array.from({ length: functions }, (_, i) => `(function part${i}(x) { return x + ${i}; })`);
  const all = new Function(`return [${parts}];`)();
  return all.reduce((sum, part) => sum + part(1), 0) && all;
}

module.exports = { SHAPES, program, enlarge, random };
