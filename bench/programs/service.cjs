'use strict';
// An HTTP service under load from another process: node service.cjs PROFILER SECONDS.

const { fork } = require('node:child_process');
const { createServer } = require('node:http');
const { join } = require('node:path');
const { PROFILERS } = require('./profilers.cjs');

const [name, seconds] = process.argv.slice(2);

const catalogue = Array.from({ length: 300 }, (_, id) => ({ id, name: `article ${id}`, price: (id * 37) % 101, tags: ['a', 'b'] }));

/** About a third of a millisecond of what services do: filter, sort, group, render. */
function respond(url) {
  const least = Number(url.slice(1)) % 50;
  const found = catalogue.filter(({ price }) => price > least).sort((a, b) => a.price - b.price || b.id - a.id);
  const byPrice = Object.groupBy ? Object.groupBy(found, ({ price }) => price) : found;
  return JSON.stringify({ byPrice, page: found.map(({ name }) => `<li>${name.toUpperCase()}</li>`).join('') });
}

async function load(port, ms) {
  const client = fork(join(__dirname, 'load.cjs'), [port, ms]);
  return new Promise(resolve => client.once('message', resolve));
}

async function main() {
  const profiler = PROFILERS[name]();
  profiler.load();
  const server = createServer((request, response) => response.end(respond(request.url))).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address();
  await load(port, 1_000);
  profiler.start();
  const cpuBefore = process.cpuUsage();
  const begin = performance.now();
  const requests = await load(port, seconds * 1_000);
  await profiler.stop();
  const cpu = process.cpuUsage(cpuBefore);
  return { throughput: (requests * 1e3) / (performance.now() - begin), requestCpu: (cpu.user + cpu.system) / requests };
}

main().then(figures => {
  console.log(JSON.stringify(figures));
  process.exit();
});
