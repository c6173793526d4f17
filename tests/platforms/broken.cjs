// What the package says of a native file that cannot be used. Each argument is a folder with a copy of the package,
// whose file is broken in the way that the folder's name says.

const assert = require('node:assert/strict');
const { basename, join } = require('node:path');
const { check, end } = require('./checks.cjs');

/** The native file's name, and the platform that the foreign one is built for. */
const { ADDON, FOREIGN } = process.env;

/** By folder, the code of the error and what its message says besides the file's name. */
const EXPECTED = {
  renamed: ['ERR_SENTRY_PROFILER_MISSING', 'is missing, and the package has only renamed.node'],
  truncated: ['ERR_SENTRY_PROFILER_LOAD', 'it was cut off after'],
  foreign: ['ERR_SENTRY_PROFILER_LOAD', `it is built for ${FOREIGN}`],
  unreadable: ['ERR_SENTRY_PROFILER_LOAD', 'this process may not read it'],
};

async function main() {
  for (const folder of process.argv.slice(2)) {
    const how = basename(folder);
    const [code, says] = EXPECTED[how];
    await check(how, () => {
      const { profilerSupport, startProfiling } = require(join(folder, 'node_modules/sentry-profiler-node'));
      const { supported, reason } = profilerSupport();
      assert.equal(supported, false);
      assert.ok(reason.includes(ADDON) && reason.includes(says), reason);
      assert.throws(() => startProfiling('title'), { name: 'ProfilerUnavailableError', code, message: reason });
      return reason;
    });
  }
  end();
}
main();
