import { basename, dirname, extname, join, resolve } from 'node:path';
import { OPEN, openPage } from './open';
import { duration, EXTENSIONS, formats, lines, make, maps, percent, recordings, SOURCE_MAPS, table } from './reports';
import type { FileFormat } from './reports';
import { print, say, UsageError } from './usage';
import type { Given, Specs } from './usage';

const FORMAT = { short: 'f', value: 'LIST', help: `any of ${Object.keys(EXTENSIONS).join(', ')}` };
const QUIET = { short: 'q', help: 'print nothing but errors' };
const JSON_TEXT = { help: 'print the summary as JSON, on stdout' };
const NO_SOURCE = { help: 'show no source next to hot lines' };

export const REPORT: Specs = {
  output: { short: 'o', value: 'DIR', help: 'where the files go (default: where the recording is)' },
  format: { ...FORMAT, help: `${FORMAT.help} (default: html,cpuprofile,md)` },
  'source-maps': SOURCE_MAPS,
  'no-source': NO_SOURCE,
  open: OPEN,
  quiet: QUIET,
  json: JSON_TEXT,
};

export const CONVERT: Specs = {
  output: { short: 'o', value: 'FILE', help: 'the file to write (default: next to the input)' },
  format: { ...FORMAT, value: 'FORMAT', help: FORMAT.help.replace('any', 'one') },
  'source-maps': SOURCE_MAPS,
  'no-source': NO_SOURCE,
  quiet: QUIET,
};

export const DIFF: Specs = {
  output: { short: 'o', value: 'FILE', help: 'the page to write (default: diff.html)' },
  'source-maps': SOURCE_MAPS,
  'fail-above': { value: 'PERCENT', help: 'exit with 1 if what ran grew by more than this, such as 5%' },
  open: OPEN,
  quiet: QUIET,
  json: JSON_TEXT,
};

export const USUAL_FORMATS = 'html,cpuprofile,md';

/** The outputs of these formats in a folder. */
export function outputs(list: FileFormat[], dir: string) {
  return list.map(format => ({
    format,
    file: join(dir, `${format === 'html' ? 'report' : 'profile'}.${EXTENSIONS[format]}`),
  }));
}

const text = (given: Given, name: string, otherwise: string): string => String(given[name] ?? otherwise);

export async function report(given: Given, words: string[]): Promise<number> {
  const [first] = words;
  if (first === undefined) {
    throw new UsageError('report needs a file or a folder');
  }
  const inputs = words.flatMap(recordings);
  const dir = text(given, 'output', inputs[0] === first ? dirname(first) : first);
  const summary = await make({
    title: basename(first),
    inputs,
    sources: !given['no-source'],
    ...maps(text(given, 'source-maps', 'auto')),
    // What is read is there in its format already.
    outputs: outputs(formats(text(given, 'format', USUAL_FORMATS)), dir).filter(
      ({ file }) => !inputs.some(input => resolve(input) === resolve(file)),
    ),
  });
  if (given.json) {
    print(JSON.stringify(summary));
  } else if (!given.quiet) {
    say(lines(summary).join('\n'));
  }
  if (given.open) {
    openPage(summary);
  }
  return summary.threads.length > 0 ? 0 : 1;
}

export async function convert(given: Given, words: string[]): Promise<number> {
  const [input] = words;
  if (input === undefined || words.length > 1) {
    throw new UsageError('convert needs one file');
  }
  const [format, ...others] = formats(text(given, 'format', ''));
  if (format === undefined || others.length > 0) {
    throw new UsageError('convert needs one format: -f FORMAT');
  }
  const file = text(given, 'output', join(dirname(input), `${basename(input, extname(input))}.${EXTENSIONS[format]}`));
  const { files, unreadable } = await make({
    title: basename(input),
    inputs: recordings(input),
    sources: !given['no-source'],
    ...maps(text(given, 'source-maps', 'auto')),
    outputs: [{ format, file }],
  });
  for (const [unread, why] of unreadable) {
    throw new Error(`${unread} cannot be read: ${why}`);
  }
  if (files.length === 0) {
    throw new Error(`${input} has no samples`);
  }
  if (!given.quiet) {
    files.forEach(say);
  }
  return 0;
}

export async function diff(given: Given, words: string[]): Promise<number> {
  const [before, after] = words;
  if (before === undefined || after === undefined || words.length > 2) {
    throw new UsageError('diff needs two recordings: before and after');
  }
  const limit =
    given['fail-above'] === undefined ? undefined : Number(String(given['fail-above']).replace(/\s*%$/, ''));
  if (limit !== undefined && !(limit >= 0)) {
    throw new UsageError(`--fail-above must be a percentage such as 5%, got ${String(given['fail-above'])}`);
  }
  const summary = await make({
    title: basename(after),
    before: recordings(before),
    inputs: recordings(after),
    ...maps(text(given, 'source-maps', 'auto')),
    outputs: [{ format: 'html', file: text(given, 'output', 'diff.html') }],
  });
  const { beforeUs = 0, ranUs, changes, files } = summary;
  const grown = beforeUs > 0 ? ranUs / beforeUs - 1 : 0;
  if (given.json) {
    print(JSON.stringify(summary));
  } else if (!given.quiet) {
    say(`Ran ${duration(beforeUs)} before and ${duration(ranUs)} after: ${signed(grown, percent)}.`);
    const rows = changes.map(change => [
      signed(change.afterUs - change.beforeUs, duration),
      `${duration(change.beforeUs)} → ${duration(change.afterUs)}`,
      `${change.function}  ${change.place}`,
    ]);
    say(['', ...table(rows), '', ...files].join('\n'));
  }
  if (given.open) {
    openPage(summary);
  }
  if (limit !== undefined && grown * 100 > limit) {
    say(`What ran grew by ${percent(grown)}, which is more than ${limit} %.`);
    return 1;
  }
  return 0;
}

const signed = (number: number, show: (number: number) => string): string =>
  `${number < 0 ? '−' : '+'}${show(Math.abs(number))}`;
