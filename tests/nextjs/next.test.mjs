// A profiled Next.js server, built for production.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PACKAGE } from '../node/support/environment.mjs';
import { startIngest } from '../node/support/ingest.mjs';
import { isIdle } from '../node/support/profile.mjs';
import { run } from '../node/support/service.mjs';

/** The folder with this folder's packages, and ours under its own name and the old one. */
const INSTALLED = process.env.SENTRY_PROFILER_TEST_NEXTJS;
const BUILD_TIMEOUT_MS = 600_000;

/** Builds the site and returns the folder of its server. */
async function build(bundler) {
  const dist = `dist-${bundler}`;
  // A user's first build has no cache of an earlier one.
  rmSync(join(INSTALLED, dist), { recursive: true, force: true });
  await run(join(INSTALLED, 'node_modules/next/dist/bin/next'), {
    args: ['build', `--${bundler}`],
    cwd: INSTALLED,
    env: { DIST: dist, NEXT_TELEMETRY_DISABLED: '1' },
    timeout: BUILD_TIMEOUT_MS,
  });
  return join(INSTALLED, dist, 'standalone');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts the server, sends a request, waits for `done` and ends the server. Returns its standard error. */
async function serve(dir, env, done) {
  const port = String(await freePort());
  const { stderr } = await run('server.js', {
    cwd: dir,
    env: { ...env, PORT: port, HOSTNAME: '127.0.0.1', NEXT_TELEMETRY_DISABLED: '1' },
    signal: 'SIGKILL',
    meanwhile: async (child, lines) => {
      for await (const line of lines) {
        if (line.includes('Ready in')) {
          break;
        }
      }
      const response = await fetch(`http://127.0.0.1:${port}/hot`);
      assert.equal(response.status, 200);
      await done();
      child.kill('SIGKILL');
    },
  });
  return stderr;
}

cpSync(fileURLToPath(new URL('site', import.meta.url)), INSTALLED, { recursive: true });
const bundled = join(INSTALLED, 'node_modules/sentry-profiler-bundled');
rmSync(bundled, { recursive: true, force: true });
cpSync(PACKAGE, bundled, { recursive: true, filter: file => !file.endsWith('.node') });

for (const bundler of ['webpack', 'turbopack']) {
  describe(`Next.js, built with ${bundler}`, () => {
    let dir;
    test('it builds', async () => {
      dir = await build(bundler);
    });

    for (const profiler of ['external', 'old name']) {
      test(`a request is profiled: ${profiler}`, async t => {
        const ingest = await startIngest(t);
        // The bundler chooses the names of functions.
        const samples = async () => {
          const chunks = await ingest.chunks();
          return chunks.flatMap(({ profile }) => profile.samples.filter(sample => !isIdle(profile, sample))).length;
        };
        const stderr = await serve(dir, { PROFILER: profiler, SENTRY_DSN: ingest.dsn }, async () => {
          for (const end = Date.now() + 20_000; (await samples()) < 10 && Date.now() < end; ) {
            await sleep(100);
          }
        });
        assert.ok((await samples()) >= 10, `${await samples()} samples\n${stderr}`);
      });
    }

    test('a bundle without the native file says so, and the server works without it', async t => {
      const ingest = await startIngest(t);
      const stderr = await serve(dir, { PROFILER: 'bundled', SENTRY_DSN: ingest.dsn }, async () => {});
      assert.match(
        stderr,
        /This service is bundled, and .*\.node is out of the bundle's reach: .*outside the bundle.* Profiling is off/,
      );
    });
  });
}
