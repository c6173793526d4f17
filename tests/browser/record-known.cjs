// A program that knows its own times: record-known.cjs prints them, milliseconds by function.

const done = {};

function work(name, run, ms) {
  const begin = performance.now();
  run(begin + ms);
  done[name] = (done[name] ?? 0) + performance.now() - begin;
}

// Each on its own, so that none is inlined into another.
function numbers(end) {
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 500; i++) sum += Math.sqrt(sum + i);
  return sum;
}
function texts(end) {
  let text = '';
  while (performance.now() < end) text = JSON.stringify({ text: text.slice(0, 200), at: end });
  return text;
}
function objects(end) {
  let list = [];
  while (performance.now() < end) list = list.slice(-50).concat({ at: list.length });
  return list;
}

for (let round = 0; round < 40; round++) {
  work('numbers', numbers, 30);
  work('texts', texts, 20);
  work('objects', objects, 10);
}
console.log(JSON.stringify(done));
