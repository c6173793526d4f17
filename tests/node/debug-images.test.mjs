// Files that carry a debug id are listed in a chunk, by the very path that its frames have.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { SDKS } from './support/environment.mjs';
import { startIngest } from './support/ingest.mjs';
import { work } from './support/profile.mjs';
import { project, run } from './support/service.mjs';

const MAIN_ID = '11111111-1111-4111-8111-111111111111';
const LAZY_ID = '22222222-2222-4222-8222-222222222222';
const UNUSED_ID = '33333333-3333-4333-8333-333333333333';

/** What bundler plugins put at the top of a file. */
const mark = (id, variable = '_sentryDebugIds') =>
  `;!function(){var g=globalThis,s=new g.Error().stack;g.${variable}=g.${variable}||{},g.${variable}[s]="${id}"}();`;

const FORMATS = {
  cjs: {
    load: "const Sentry = require('@sentry/node');\nconst { nodeProfilingIntegration } = require('sentry-profiler-node');",
    exportBurn: 'exports.burn = burn;',
    importBurn: name => `require('./${name}')`,
  },
  mjs: {
    load: "import * as Sentry from '@sentry/node';\nimport { nodeProfilingIntegration } from 'sentry-profiler-node';",
    exportBurn: 'export { burn };',
    importBurn: name => `await import('./${encodeURIComponent(name)}')`,
  },
};

for (const [i, [extension, format]] of Object.entries(FORMATS).entries()) {
  const sdk = SDKS[i];
  test(`debug images of .${extension} files, SDK ${sdk.major}`, { skip: sdk.skip }, async t => {
    const ingest = await startIngest(t);
    const [main, lazy, unused] = [`main.${extension}`, `lazy part.${extension}`, `unused.${extension}`];
    const dir = project(
      t,
      {
        [main]: `${mark(MAIN_ID)}
${format.load}
${work('burn')}
Sentry.init({ integrations: [nodeProfilingIntegration()], profileSessionSampleRate: 1 });
async function main() {
  Sentry.profiler.startProfiler();
  burn(200);
  ${format.importBurn(unused)};
  // Loaded while the profiler runs.
  const lazy = ${format.importBurn(lazy)};
  lazy.burn(200);
  await Sentry.close();
}
main();
`,
        [lazy]: `${mark(LAZY_ID, '_debugIds')}\n${work('burn')}\n${format.exportBurn}\n`,
        [unused]: `${mark(UNUSED_ID)}\n`,
      },
      sdk,
    );
    await run(join(dir, main), { env: { SENTRY_DSN: ingest.dsn } });

    const [{ profile, debug_meta: debugMeta }] = await ingest.chunks();
    const images = [...debugMeta.images].sort((a, b) => a.debug_id.localeCompare(b.debug_id));
    assert.deepEqual(
      images.filter(({ debug_id }) => debug_id !== UNUSED_ID),
      [
        { type: 'sourcemap', code_file: join(dir, main), debug_id: MAIN_ID },
        { type: 'sourcemap', code_file: join(dir, lazy), debug_id: LAZY_ID },
      ],
    );
    for (const { code_file } of images) {
      assert.ok(
        profile.frames.some(({ abs_path }) => abs_path === code_file),
        `a frame has the path ${code_file}`,
      );
    }
  });
}

test('a file that was loaded within a trace is in the chunk that ends after it', async t => {
  const ingest = await startIngest(t);
  const dir = project(t, {
    'main.cjs': `${FORMATS.cjs.load}
Sentry.init({
  integrations: [nodeProfilingIntegration({ quietMs: 100 })],
  tracesSampleRate: 1,
  profileSessionSampleRate: 1,
  profileLifecycle: 'trace',
});
Sentry.startSpan({ name: 'span' }, () => require('./lazy.cjs').burn(200));
// Nothing but the quiet ends the chunk.
setTimeout(() => process.exit(), 1_500);
`,
    'lazy.cjs': `${mark(LAZY_ID)}\n${work('burn')}\n${FORMATS.cjs.exportBurn}\n`,
  });
  await run(join(dir, 'main.cjs'), { env: { SENTRY_DSN: ingest.dsn } });

  const [{ debug_meta: debugMeta }] = await ingest.chunks();
  assert.deepEqual(debugMeta?.images, [{ type: 'sourcemap', code_file: join(dir, 'lazy.cjs'), debug_id: LAZY_ID }]);
});
