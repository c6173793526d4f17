// A profile that is too large for a JavaScript string.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADDON } from '../support/environment.mjs';
import { runService } from '../support/service.mjs';

test('a profile beyond the longest string is refused with a helpful error, and the profiler works on', async t => {
  const { stdout } = await runService(
    t,
    `
const vm = require('node:vm');
const { startProfiling, stopProfiling } = require(${JSON.stringify(ADDON)});
const busy = ms => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};
// Each of these characters takes six bytes in JSON.
const long = '\\u0001'.repeat(1_000);
/** 230 new functions, each calling the next. */
const unseen = generation => {
  const next = i => (i === 229 ? 'busy' : 'f' + (i + 1));
  const calls = Array.from({ length: 230 }, (_, i) => \`\${JSON.stringify(long + i)}: ms => (\${next(i)}(ms), ms)\`);
  const names = Array.from({ length: 230 }, (_, i) => 'f' + i);
  const source = \`(busy => { const [\${names}] = Object.values({ \${calls} }); return f0; })\`;
  return vm.runInThisContext(source, { filename: '/' + long + generation + '.js' })(busy);
};
startProfiling('large');
// Each generation that is sampled adds 5 MB of JSON.
for (let generation = 0; generation < 200; generation++) unseen(generation)(22);
try {
  console.log(stopProfiling('large', 1, 0).samples.length, 'samples');
} catch ({ code, message }) {
  console.log(code, message);
}
startProfiling('small');
busy(200);
console.log('then', stopProfiling('small', 1, 0).samples.length > 2);
`,
    { timeout: 120_000 },
  );
  const [said, then] = stdout.split('\n');
  assert.match(
    said,
    /^NAPI_ERROR The profile is too large: its text has \d{9,10} characters, and a string holds 536870888\. Record for a/,
  );
  assert.equal(then, 'then true');
});
