import { statSync } from 'node:fs';
import { hot, lines, make, recordings } from './reports';
import { UsageError } from './usage';
import type { Given, Specs } from './usage';

export const TOP: Specs = {
  once: { help: 'print once and end' },
};

const EACH_MS = 1_000;
/** A journal is written to four times a second while its program runs. */
const STALE_MS = 5_000;

/** Shows the hottest functions until nothing is recorded any more. */
export async function top(given: Given, words: string[]): Promise<number> {
  const [path] = words;
  if (path === undefined || words.length > 1) {
    throw new UsageError('top needs a file or a folder of a recording');
  }
  const isLive = process.stdout.isTTY && !given.once;
  for (;;) {
    const inputs = recordings(path);
    const summary = await make({ title: path, inputs, outputs: [] });
    const [head] = lines(summary);
    const text = [head, '', ...hot(summary)].join('\n');
    process.stdout.write(isLive ? `\x1b[H\x1b[2J${text}\n` : `${text}\n`);
    const isRecorded = inputs.some(input => Date.now() - statSync(input).mtimeMs < STALE_MS);
    if (!isLive || !isRecorded) {
      return summary.threads.length > 0 ? 0 : 1;
    }
    await new Promise(resolve => setTimeout(resolve, EACH_MS));
  }
}
