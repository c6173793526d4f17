'use strict';
// Measures its process from a thread of its own, so that the recorded threads run no JavaScript meanwhile.

const { readFileSync, readdirSync } = require('node:fs');
const { Worker, parentPort, workerData } = require('node:worker_threads');

/** Starts the thread. Returns a function that resolves to readings, taken so many milliseconds after the call. */
function startMeter() {
  const worker = new Worker(__filename, { workerData: 'meter' });
  worker.on('error', error => {
    throw error;
  });
  return delays =>
    new Promise(resolve => {
      worker.once('message', resolve);
      worker.postMessage(delays);
    });
}

/** What the process takes between two readings: CPU time, ms per second, and context switches per second. */
function rates(from, to) {
  const seconds = (to.begin.time - from.end.time) / 1e3;
  // Those of threads that have ended are unknown.
  const switches = [...to.switches].map(([id, count]) => count - (from.switches.get(id) ?? 0));
  return {
    cpu: (to.begin.cpu - from.end.cpu) / seconds,
    switches: switches.reduce((sum, count) => sum + count, 0) / seconds,
  };
}

/** Reading the files of many threads takes a while, which is in neither of the times around it. */
function reading() {
  const begin = now();
  const switches = contextSwitches();
  return { begin, switches, end: now() };
}

function now() {
  const time = performance.now();
  const { user, system } = process.cpuUsage();
  return { time, cpu: (user + system) / 1e3 };
}

/** The context switches of each thread so far, by its id. */
function contextSwitches() {
  const switches = new Map();
  for (const id of readdirSync('/proc/self/task')) {
    try {
      const status = readFileSync(`/proc/self/task/${id}/status`, 'utf8');
      const [voluntary, other] = status.match(/(?<=ctxt_switches:\s*)\d+/g).map(Number);
      switches.set(id, voluntary + other);
    } catch {
      // The thread has ended since the folder was read.
    }
  }
  return switches;
}

if (workerData === 'meter') {
  const readingIn = delay => new Promise(resolve => setTimeout(() => resolve(reading()), delay));
  parentPort.on('message', async delays => parentPort.postMessage(await Promise.all(delays.map(readingIn))));
}

module.exports = { rates, startMeter };
