// The C library profiles this Node: `addon.c` links it.

const assert = require('node:assert/strict');
const { check, end, hot } = require('./checks.cjs');

/** The native file that `addon.c` was compiled to. */
const { C_ADDON } = process.env;

async function main() {
  await check('the hot function is the hottest of a recording of the C library', () => {
    const { nodes, samples } = JSON.parse(require(C_ADDON).profile(() => hot(400)));
    const counts = new Map();
    for (const id of samples) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    const [[id]] = [...counts].sort(([, a], [, b]) => b - a);
    const { callFrame } = nodes.find(node => node.id === id);
    assert.equal(callFrame.functionName, 'hot');
    assert.match(callFrame.url, /checks\.cjs$/);
    return `${samples.length} samples`;
  });
  end();
}
main();
