'use strict';
// An HTTP service whose requests come at random times: node poisson.cjs PROFILER SECONDS. They do not wait for each
// other, and keep one core busy for 55 % of the time when there is no profiler.

const { Agent, createServer, get } = require('node:http');
const { median, percentile } = require('./profilers.cjs');
const { random } = require('./shapes.cjs');
const { launch, program, takeTurns } = require('./twins.cjs');

const LOAD = 0.55;
const MEAN_GAP_MS = 5;
/** Few, because cores change their speed. */
const SLOT_REQUESTS = 20;
/** Work for a request that is about right on usual machines. */
const USUAL_ROUNDS = 5_000;
const [name, seconds] = process.argv.slice(2);

/** A request for `/1000` does a thousand rounds of work. */
function respond(url) {
  const rounds = Number(url.slice(1));
  const found = [];
  for (let i = 0; i < rounds; i++) found.push(JSON.stringify({ id: i, text: `article ${i}`, price: (i * 37) % 101 }));
  return String(found.length);
}

/** Starts the server; resolves to its port. */
async function listen() {
  const server = createServer((request, response) => response.end(respond(request.url))).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  return server.address().port;
}

const agent = new Agent({ keepAlive: true });

/** Resolves to how long the answer took, ms. */
function ask({ port }, rounds) {
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, path: `/${rounds}` }, response => {
      response.resume().once('end', () => resolve(performance.now() - begin));
    }).once('error', reject);
  });
}

// What is late already comes at once.
const sleep = ms => new Promise(resolve => setTimeout(resolve, Math.max(ms, 0)));

/** Sends a slot's requests at the times of a Poisson process; resolves to how long each took, ms. */
async function arrivals(twin, rounds) {
  const answers = [];
  let due = performance.now();
  for (let i = 0; i < SLOT_REQUESTS; i++) {
    due += -Math.log(twin.random()) * MEAN_GAP_MS;
    if (due > performance.now()) await sleep(due - performance.now());
    answers.push(ask(twin, rounds));
  }
  return Promise.all(answers);
}

/** Sends as many requests as V8 needs to compile everything. */
async function warmUp(twin) {
  for (let i = 0; i < 100; i++) await ask(twin, USUAL_ROUNDS);
}

/** How many rounds of work a request needs for the load. */
async function calibrate(twin) {
  twin.random = random(2);
  const times = [];
  for (let i = 0; i < 5; i++) {
    const before = await twin.ask('cpuTime');
    await arrivals(twin, USUAL_ROUNDS);
    times.push(((await twin.ask('cpuTime')) - before) / 1e3 / SLOT_REQUESTS);
  }
  return Math.round((USUAL_ROUNDS * LOAD * MEAN_GAP_MS) / median(times));
}

async function main() {
  const twins = ['none', name].map(launch);
  const profiled = twins[1];
  for (const twin of twins) {
    twin.port = await twin.ask('work');
    await warmUp(twin);
  }
  const rounds = await calibrate(twins[0]);
  // Both get the same requests.
  for (const twin of twins) twin.random = random(1);
  let times = [];
  const slot = async twin => {
    const answers = await arrivals(twin, rounds);
    if (twin === profiled) times.push(...answers);
    return answers.length;
  };
  const before = await takeTurns(twins, seconds, slot);
  await profiled.ask('load');
  await profiled.ask('start');
  times = [];
  const during = await takeTurns(twins, seconds, slot);
  twins.forEach(twin => twin.end());
  return {
    // `speed` is in requests per second of CPU time.
    load: 1e3 / MEAN_GAP_MS / during.speed,
    requestCpu: before.share / during.share,
    latencyMedian: percentile(times, 0.5),
    latencyP99: percentile(times, 0.99),
  };
}

program(name, listen, main);
