// Questions that tests ask of a profile, in either format.

/** The 1-based line of `source` that holds `text`. */
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

/** Samples by the function on top, most first: `[{ frame, samples }]`. */
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

/** The samples whose stack holds a function of that name. */
export function samplesIn(profile, name) {
  return profile.samples.filter(sample => stackOf(profile, sample).some(frame => frame.function === name));
}

/** Keeps this thread busy in a function of the caller's script, for about so long. */
export const BURN = `
function burn(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  do {
    for (let i = 1; i < 200_000; i++) sum += Math.sqrt(i) % 7;
  } while (performance.now() < end);
  return sum;
}
`;
