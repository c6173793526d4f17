// A program that knows its own times: record-known.cjs prints them, milliseconds by function.

const done = {};

function work(name, run, ms) {
  const begin = performance.now();
  run(begin + ms);
  done[name] = (done[name] ?? 0) + performance.now() - begin;
}

// Each on its own, so that none is inlined into another. They make no garbage: of its collection, readers
// differ on whose it is.
function numbers(end) {
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 500; i++) sum += Math.sqrt(sum + i);
  return sum;
}
const text = 'x'.repeat(300);
function texts(end) {
  let isFound = false;
  while (performance.now() < end) isFound = /x+y/.test(text);
  return isFound;
}
const list = new Float64Array(500);
function lists(end) {
  while (performance.now() < end) {
    for (let at = 0; at < list.length; at++) list[at] = (at * 7919) % 500;
    list.sort();
  }
  return list;
}

for (let round = 0; round < 40; round++) {
  work('numbers', numbers, 30);
  work('texts', texts, 20);
  work('lists', lists, 10);
}
console.log(JSON.stringify(done));
