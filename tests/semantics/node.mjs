// The scenarios through Node: node node.mjs <add-on> <runner.js> <scenarios.json>

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { runInThisContext } from 'node:vm';

const [addon, runner, scenarios] = process.argv.slice(2);
const native = createRequire(import.meta.url)(addon);
runInThisContext(readFileSync(runner, 'utf8'), { filename: 'runner.js' });

let session;
let span;

const operations = {
  start(title) {
    native.startProfiling(title);
    return 'ok';
  },
  stop(title) {
    const profile = native.stopProfiling(title, 1, 0, false);
    return profile === null ? 'none' : JSON.stringify(profile);
  },
  session(lifecycle, sampleRate, chunkDurationMs, quietMs) {
    const options = { lifecycle, sampleRate, chunkDurationMs, quietMs, threadId: '0', threadName: 'main' };
    session = new native.Session(options, () => {});
    span = session.spanFunctions();
    return session.sampled ? 'sampled' : 'not-sampled';
  },
  'session start': () => session.start(),
  'session stop': () => session.stop(),
  'span started': () => (span.started(), 'ok'),
  'span ended': () => (span.ended(), 'ok'),
  flush: () => String(session.flush(10_000).length),
  close: () => String(session.close().length),
  sleep: (_, ms) => (Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms), 'ok'),
};

function call(operation, ...rest) {
  try {
    return operations[operation](...rest);
  } catch (error) {
    // The error of every refused argument says what it must be, or what was expected.
    return /must be|expects/.test(error.message) ? 'invalid' : `error: ${error.message}`;
  }
}

const results = globalThis.runScenarios(JSON.parse(readFileSync(scenarios, 'utf8')), call);
console.log(JSON.stringify(results));
