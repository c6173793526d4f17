// Queries on a profile, in either format.

/** The 1-based line of `source` that contains `text`. */
export function lineOf(source, text) {
  const index = source.split('\n').findIndex(line => line.includes(text));
  if (index < 0) {
    throw new Error(`no line has ${text}`);
  }
  return index + 1;
}

/** The frames of a sample, leaf first. */
export function stackOf(profile, sample) {
  return profile.stacks[sample.stack_id].map(index => profile.frames[index]);
}

/** Samples by leaf frame, most first: `[{ frame, samples }]`. */
export function hottest(profile) {
  const byFrame = new Map();
  for (const sample of profile.samples) {
    const frame = profile.stacks[sample.stack_id][0];
    byFrame.set(frame, [...(byFrame.get(frame) ?? []), sample]);
  }
  return [...byFrame]
    .filter(([index]) => index !== undefined)
    .map(([index, samples]) => ({ frame: profile.frames[index], samples }))
    .sort((a, b) => b.samples.length - a.samples.length);
}

/** The samples whose stack contains a function of this name. */
export function samplesIn(profile, name) {
  return profile.samples.filter(sample => stackOf(profile, sample).some(frame => frame.function === name));
}

/** A function of this name that is busy for `ms`, and does at least enough work to be sampled on a busy machine. */
export const work = name => `function ${name}(ms) {
  const end = performance.now() + ms;
  let blocks = 0;
  let sum = 0;
  do {
    for (let i = 1; i < 50_000; i++) sum += Math.sqrt(i) % 7;
  } while (++blocks < ms || performance.now() < end);
  return sum;
}`;

/** At 99 Hz, seconds. */
export const SAMPLING_INTERVAL_S = 0.010101;

/** Whether a sample is idle: nothing ran. */
export function isIdle(profile, sample) {
  return profile.stacks[sample.stack_id].length === 0;
}

/** A session's chunks in the order of their times. */
export function inOrder(chunks) {
  return [...chunks].sort((a, b) => a.profile.samples[0].timestamp - b.profile.samples[0].timestamp);
}

/** Seconds between the last sample of each chunk and the first of the next. */
export function joints(chunks) {
  const profiles = inOrder(chunks).map(({ profile }) => profile);
  return profiles.slice(1).map((profile, i) => profile.samples[0].timestamp - profiles[i].samples.at(-1).timestamp);
}
