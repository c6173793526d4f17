// Many workers that record and end or are terminated: no crash, no leak, and only valid chunks.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { requireTool } from '../support/environment.mjs';
import { startIngest } from '../support/ingest.mjs';
import { samplesIn } from '../support/profile.mjs';
import { retryOnce } from '../support/retry.mjs';
import { project, run, WORK } from '../support/service.mjs';

/**
 * 200 workers, eight at a time, each with its own SDK, profiler and session. Two thirds close their client and end; a
 * third is terminated while recording.
 */
const CROWD = `
import { close, init, profiler } from '@sentry/node';
import { nodeProfilingIntegration } from 'sentry-profiler-node';
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads';
${WORK}
const WORKERS = 200;
const AT_ONCE = 8;

async function record() {
  init({ debug: true, integrations: [nodeProfilingIntegration()], defaultIntegrations: false, profileSessionSampleRate: Number(process.env.SAMPLE_RATE) });
  profiler.startProfiler();
  work(30);
  await new Promise(resolve => setTimeout(resolve, 100));
  if (workerData.terminated) {
    parentPort.postMessage('recording');
    for (;;) work(1000);
  }
  await close();
}

async function crowd() {
  const survivors = [];
  const rss = [];
  let begun = 0;
  const turn = async () => {
    while (begun < WORKERS) {
      const terminated = begun++ % 3 === 2;
      const worker = new Worker(__filename, { workerData: { terminated } });
      const id = worker.threadId;
      worker.once('message', () => worker.terminate());
      const failed = new Promise((_, reject) => worker.once('error', reject));
      const code = await Promise.race([failed, new Promise(resolve => worker.once('exit', resolve))]);
      if (!terminated) survivors.push({ id, code });
      rss.push(process.memoryUsage.rss());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, turn));
  console.log('crowd ' + JSON.stringify({ survivors, rss }));
}

isMainThread ? crowd() : record();
`;

const median = values => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Runs the crowd. `growth` is the RSS after all workers divided by that after half of them. */
async function runCrowd(t, file, dsn, sampleRate) {
  // By default glibc makes more and more arenas during the first hundreds of threads, profiled or not.
  const env = { SENTRY_DSN: dsn, SAMPLE_RATE: String(sampleRate), MALLOC_ARENA_MAX: '2' };
  const { stdout } = await run(file, { env, timeout: 300_000 });
  const { survivors, rss } = JSON.parse(/^crowd (.*)$/m.exec(stdout)[1]);
  // Memory varies with the states of the eight live workers, so compare the medians of 20 readings.
  const [half, end] = [median(rss.slice(80, 100)), median(rss.slice(172, 192))].map(bytes => bytes / 2 ** 20);
  t.diagnostic(`rate ${sampleRate}: RSS ${half.toFixed(0)} MiB after 100 workers, ${end.toFixed(0)} MiB after 192`);
  return { survivors, growth: end / half, stdout };
}

describe('a crowd of workers', () => {
  test('200 workers in turns of eight, a third of them terminated while they record', async t => {
    const dir = project(t, { 'crowd.mjs': CROWD });
    // Bundled, because each worker would otherwise spend most of its life on loading hundreds of files of the SDK.
    requireTool('esbuild').buildSync({
      absWorkingDir: dir,
      entryPoints: ['crowd.mjs'],
      outfile: 'crowd.cjs',
      bundle: true,
      platform: 'node',
      target: 'node18',
      external: ['sentry-profiler-node'],
      logLevel: 'error',
    });
    await retryOnce(t, async () => {
      const ingest = await startIngest(t);
      const { survivors, growth, stdout } = await runCrowd(t, join(dir, 'crowd.cjs'), ingest.dsn, 1);
      assert.equal(survivors.length, 134);
      assert.ok(survivors.every(({ code }) => code === 0));
      const chunks = await ingest.chunks();
      let working = 0;
      let silent = 0;
      for (const { id } of survivors) {
        // One chunk, and another one if the SDK took long between flush and close.
        const own = chunks.filter(({ profile }) => String(id) in profile.thread_metadata);
        silent += own.length === 0;
        assert.ok(new Set(own.map(({ profiler_id }) => profiler_id)).size <= 1);
        for (const { profile } of own) {
          assert.deepEqual(profile.thread_metadata, { [id]: { name: 'worker' } });
          assert.ok(profile.samples.every(({ thread_id }) => thread_id === String(id)));
        }
        working += own.some(({ profile }) => samplesIn(profile, 'work').length > 0);
      }
      // Eight threads share the cores: one that gets no core during its 30 ms, or 130 ms, cannot be sampled.
      assert.ok(
        working >= 0.3 * survivors.length,
        `${working} of ${survivors.length} workers have samples of their work`,
      );
      const tooShort = stdout.split('Profile chunks dropped that have fewer than two samples').length - 1;
      t.diagnostic(`${chunks.length} chunks, ${silent} workers without one`);
      assert.ok(silent <= Math.min(tooShort, 5), `${silent} workers sent no chunk, ${tooShort} chunks were too short`);
      const sessions = new Set(chunks.map(({ profiler_id }) => profiler_id));
      assert.equal(sessions.size, survivors.length - silent, 'a session for each worker');
      if (growth > 1.05) {
        // Some releases of Node leak memory of ended workers, so only count what profiling adds.
        const unprofiled = await runCrowd(t, join(dir, 'crowd.cjs'), ingest.dsn, 0);
        assert.ok(
          growth <= unprofiled.growth + 0.05,
          `RSS grows by ${growth}, without profiling by ${unprofiled.growth}`,
        );
      }
    });
  });
});
