'use strict';
// An HTTP service under full load over a few connections: node service.cjs PROFILER SECONDS.

const { Agent, createServer, get } = require('node:http');
const { compare, program } = require('./twins.cjs');

const CONNECTIONS = 8;
const WARM_UP_MS = 5_000;
const [name, seconds] = process.argv.slice(2);

const catalogue = Array.from({ length: 300 }, (_, id) => ({
  id,
  name: `article ${id}`,
  price: (id * 37) % 101,
  tags: ['a', 'b'],
}));

/** About a third of a millisecond of a service's typical work: filter, sort, group, render. */
function respond(url) {
  const least = Number(url.slice(1)) % 50;
  const found = catalogue.filter(({ price }) => price > least).sort((a, b) => a.price - b.price || b.id - a.id);
  const byPrice = Object.groupBy ? Object.groupBy(found, ({ price }) => price) : found;
  return JSON.stringify({ byPrice, page: found.map(({ name }) => `<li>${name.toUpperCase()}</li>`).join('') });
}

/** Starts the server; resolves to its port. */
async function listen() {
  const server = createServer((request, response) => response.end(respond(request.url))).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  return server.address().port;
}

const agent = new Agent({ keepAlive: true });

function ask(port, id) {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, path: `/${id}` }, response => {
      response.resume().once('end', resolve);
    }).once('error', reject);
  });
}

async function load(twin, end) {
  twin.port ??= await twin.ask('work');
  let answers = 0;
  async function connection() {
    while (performance.now() < end) {
      await ask(twin.port, answers);
      answers += 1;
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return answers;
}

async function main() {
  const { share, speed, onThread, ownThreads } = await compare(name, WARM_UP_MS, seconds, load);
  return { throughput: share, requests: speed, onThread, ownThreadsPerSecond: ownThreads };
}

program(name, listen, main);
