// Global data that the integration reads may hold anything. The service must not notice, and must still be profiled.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { samplesIn } from './support/profile.mjs';
import { runService, SERVICE } from './support/service.mjs';

const ID = '11111111-1111-4111-8111-111111111111';

/** Each sets something odd before the first span. `MINE` is a stack with the service's own file. */
const ODD = {
  'the debug ids are null': 'globalThis._sentryDebugIds = null; globalThis._debugIds = null;',
  'the debug ids are not objects': 'globalThis._sentryDebugIds = 7; globalThis._debugIds = true;',
  'a debug id is undefined, another an object': `globalThis._sentryDebugIds = { [MINE]: '${ID}', [OTHER]: undefined };
    globalThis._debugIds = { [THIRD]: {} };`,
  'there is a function on Object.prototype': `globalThis._sentryDebugIds = { [MINE]: '${ID}' };
    Object.prototype.helper = () => {};`,
  'there is a string on Object.prototype': `globalThis._sentryDebugIds = { [MINE]: '${ID}' };
    Object.prototype.helper = 'helper';`,
  'the stack parser throws at one file': `globalThis._sentryDebugIds = { [MINE]: '${ID}', 'unreadable': '${ID}' };`,
  'the stack parser returns nothing': "globalThis._sentryDebugIds = { 'nothing': 'an id' };",
  'the debug ids throw': `Object.defineProperty(globalThis, '_sentryDebugIds', {
    get() { throw new Error('on purpose'); },
  });`,
};

/** The stack parser for the stacks above. */
const STACK_PARSER = `stack => {
  if (stack === 'unreadable') throw new Error('on purpose');
  if (stack === 'nothing') return undefined;
  return Sentry.defaultStackParser(stack);
}`;

describe('odd input', { concurrency: 2 }, () => {
  for (const [name, odd] of Object.entries(ODD)) {
    test(name, async t => {
      const ingest = await startIngest(t);
      const { stdout, stderr, file } = await runService(
        t,
        `${SERVICE}
const [MINE, OTHER, THIRD] = [__filename, '/other.js', '/third.js'].map(file => \`Error\\n    at x (\${file}:1:1)\`);
process.on('uncaughtException', error => console.log('uncaught', error));
Sentry.init({
  integrations: [nodeProfilingIntegration({ quietMs: 100 })],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
  stackParser: ${STACK_PARSER},
});
${odd}
function mine(ms) {
  busy('work')(ms);
  return ms;
}
async function main() {
  for (let i = 0; i < 3; i++) {
    try {
      Sentry.startSpan({ name: 'span' }, () => mine(120));
    } catch (error) {
      console.log('a span threw', error);
    }
    await sleep(200);
  }
  await Sentry.close();
}
main().catch(error => console.log('the service failed', error));
`,
        { ingest },
      );
      assert.equal(stdout, '');
      const chunks = await ingest.chunks();
      const samples = chunks.reduce((sum, { profile }) => sum + samplesIn(profile, 'mine').length, 0);
      assert.ok(samples >= 10, `${samples} samples\n${stderr}`);
      if (odd.includes(ID)) {
        const images = chunks.flatMap(({ debug_meta: debugMeta }) => debugMeta?.images ?? []);
        assert.ok(images.length > 0);
        for (const image of images) {
          assert.deepEqual(image, { type: 'sourcemap', code_file: file, debug_id: ID });
        }
      }
    });
  }

  test('release, environment and events of an odd shape', async t => {
    const ingest = await startIngest(t);
    const { stdout, stderr } = await runService(
      t,
      `${SERVICE}
const client = Sentry.init({
  integrations: [nodeProfilingIntegration()],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  release: 20261126,
  environment: {},
});
Sentry.profiler.startProfiler();
busy('work')(150);
for (const event of [
  { contexts: null },
  Object.freeze({}),
  { contexts: { profile: {} }, spans: [null] },
  { contexts: { profile: {}, trace: 7 }, spans: {} },
]) {
  client.emit('preprocessEvent', event);
  client.emit('beforeSendEvent', event);
}
client.emit('processSpan', Object.freeze({}));
client.emit('processSpan', { attributes: Object.freeze({}) });
console.log('went on');
Sentry.close();
`,
      { ingest },
    );
    assert.equal(stdout, 'went on\n');
    const [chunk] = await ingest.chunks();
    assert.equal(chunk.release, '20261126');
    assert.equal(chunk.environment, 'production');
    assert.ok(
      stderr.split('\n').every(line => line === '' || line.startsWith('[Sentry] [Profiling] ')),
      stderr,
    );
  });
});
