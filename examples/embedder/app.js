// The program that the embedder runs. It calls `handle` once per span.

function parse(count) {
  const text = JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ id: i, name: `item ${i}` })));
  let items = 0;
  for (let i = 0; i < count; i++) items += JSON.parse(text).length;
  return items;
}

function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

function handle() {
  const end = Date.now() + 400;
  let result = 0;
  while (Date.now() < end) result += parse(20) + fibonacci(22);
  return result;
}
