'use strict';
// Asks a service as fast as it answers, over a few connections: load.cjs PORT MS, forked; sends the number of answers.

const { Agent, get } = require('node:http');

const CONNECTIONS = 8;
const [port, ms] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const end = performance.now() + ms;
let answers = 0;

function ask() {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, path: `/${answers}` }, response => {
      response.resume().once('end', resolve);
    }).once('error', reject);
  });
}

async function connection() {
  while (performance.now() < end) {
    await ask();
    answers += 1;
  }
}

Promise.all(Array.from({ length: CONNECTIONS }, connection)).then(() => process.send(answers, () => process.exit()));
