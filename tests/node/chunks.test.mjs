// Chunks follow each other without a gap and on time, whatever the program does.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startIngest } from './support/ingest.mjs';
import { inOrder, joints, SAMPLING_INTERVAL_S, stackOf } from './support/profile.mjs';
import { retryOnce } from './support/retry.mjs';
import { runService, SERVICE } from './support/service.mjs';

/** A service that records chunks of the given length while `work` runs, and prints when it began, in Unix seconds. */
const recording = (chunkDurationMs, work) => `${SERVICE}
Sentry.init({
  integrations: [nodeProfilingIntegration({ chunkDurationMs: ${chunkDurationMs} })],
  defaultIntegrations: false,
  profileSessionSampleRate: 1,
});
async function main() {
  console.log('began', Date.now() / 1000);
  Sentry.profiler.startProfiler();
  ${work}
  Sentry.profiler.stopProfiler();
  await Sentry.close();
}
main();
`;

/** Counts for the given milliseconds and returns the number. */
const COUNT = `
  const count = ms => {
    const end = performance.now() + ms;
    let iterations = 0;
    for (; performance.now() < end; iterations++);
    return iterations;
  };
`;

const beganAt = ({ stdout }) => Number(/began (\S+)/.exec(stdout)[1]);

const timesOf = ({ profile }) => profile.samples.map(({ timestamp }) => timestamp);

/**
 * No sample is missing or doubled where a chunk ends and the next begins: the gap is at most two sampling intervals.
 * If a busy machine causes longer gaps within chunks, gaps between chunks may be as long.
 */
function assertSeamless(t, chunks) {
  const inside = Math.max(...chunks.flatMap(chunk => timesOf(chunk).map((time, i, times) => time - times[i - 1] || 0)));
  const limit = Math.max(inside, 2 * SAMPLING_INTERVAL_S);
  const gaps = joints(chunks);
  const ms = seconds => `${(seconds * 1000).toFixed(1)} ms`;
  t.diagnostic(
    `gaps between chunks ${gaps.map(ms).join(', ')}; within chunks up to ${ms(inside)}, so the limit is ${ms(limit)}`,
  );
  for (const [i, gap] of gaps.entries()) {
    assert.ok(gap > 0, `chunk ${i + 2} begins ${ms(-gap)} before chunk ${i + 1} ends`);
    assert.ok(gap <= limit, `${ms(gap)} without a sample between chunks ${i + 1} and ${i + 2}`);
  }
  const times = chunks.flatMap(timesOf);
  assert.equal(new Set(times).size, times.length, 'no time stamp is doubled');
}

/** Asserts this number of full chunks, and one for the rest if that is long enough for two samples. */
function assertCount(chunks, whole) {
  assert.ok(chunks.length === whole + 1 || chunks.length === whole, `${chunks.length} chunks, not ${whole} and a rest`);
}

/** Asserts that each of the first `count` chunks covers `seconds`, from `began` on. */
function assertOnSchedule(chunks, { began, count, seconds }) {
  for (const [i, chunk] of inOrder(chunks).slice(0, count).entries()) {
    const times = timesOf(chunk);
    for (const [what, time, due] of [
      ['begins', times[0], i * seconds],
      ['ends', times.at(-1), (i + 1) * seconds],
    ]) {
      const at = time - began;
      assert.ok(Math.abs(at - due) <= 0.2 * seconds, `chunk ${i + 1} ${what} after ${at.toFixed(2)} s, not ${due} s`);
    }
  }
}

describe('chunks', { concurrency: 2 }, () => {
  test('three chunks of two seconds join seamlessly around a loop that counts', t =>
    retryOnce(t, async () => {
      const ingest = await startIngest(t);
      const work = `${COUNT}
  const end = performance.now() + 6_300;
  let iterations = 0;
  while (performance.now() < end) {
    iterations += count(50);
    await new Promise(setImmediate);
  }
  console.log('counted to', iterations);
`;
      const result = await runService(t, recording(2000, work), { ingest });
      const chunks = await ingest.chunks();
      assertCount(chunks, 3);
      assertSeamless(t, chunks);
      assertOnSchedule(chunks, { began: beganAt(result), count: 3, seconds: 2 });
      // The number of samples depends on the machine, their functions do not. V8 may inline `count` into `main`.
      const samples = chunks.flatMap(({ profile }) => profile.samples.map(sample => stackOf(profile, sample)));
      const counting = samples.filter(stack => stack.some(frame => ['count', 'main'].includes(frame.function)));
      assert.ok(
        counting.length >= 0.9 * samples.length,
        `${counting.length} of ${samples.length} samples are in the loop`,
      );
    }));

  test('a loop that does not yield for five chunks still makes five chunks', t =>
    retryOnce(t, async () => {
      const ingest = await startIngest(t);
      const result = await runService(t, recording(1000, `${COUNT} count(5_200);`), { ingest });
      const chunks = await ingest.chunks();
      assertCount(chunks, 5);
      assertSeamless(t, chunks);
      assertOnSchedule(chunks, { began: beganAt(result), count: 5, seconds: 1 });
      for (const { measurements } of inOrder(chunks).slice(0, 5)) {
        const values = measurements.cpu_usage.values.length;
        assert.ok(values >= 8, `${values} CPU measurements in a second of a blocked event loop`);
      }
    }));

  for (const [service, work] of [
    ['an idle service', 'await sleep(6_300);'],
    ['a service with short bursts', "for (let i = 0; i < 16; i++) { busy('burst')(15); await sleep(385); }"],
  ]) {
    test(`the chunks of ${service} arrive on time`, t =>
      retryOnce(t, async () => {
        const ingest = await startIngest(t);
        const seconds = 2;
        const began = beganAt(await runService(t, recording(seconds * 1000, work), { ingest }));
        const items = (await ingest.items()).filter(({ header }) => header.type === 'profile_chunk');
        const chunks = items.map(({ payload }) => payload);
        assertCount(chunks, 3);
        assertSeamless(t, chunks);
        assertOnSchedule(chunks, { began, count: 3, seconds });
        for (const [i, { receivedAt }] of items.slice(0, 3).entries()) {
          const at = receivedAt / 1000 - began;
          const due = (i + 1) * seconds;
          assert.ok(
            Math.abs(at - due) <= 0.2 * seconds,
            `chunk ${i + 1} arrives after ${at.toFixed(2)} s, not ${due} s`,
          );
        }
      }));
  }
});
