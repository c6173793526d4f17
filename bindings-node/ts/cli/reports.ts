import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { loadAddon } from '../loader';
import { UsageError } from './usage';

/** The files of each format are named like this. */
export const EXTENSIONS = {
  html: 'html',
  md: 'md',
  cpuprofile: 'cpuprofile',
  pprof: 'pb.gz',
  folded: 'folded',
  svg: 'svg',
} as const;

export type FileFormat = keyof typeof EXTENSIONS;

/** What `makeReports` is asked for. */
export interface Request {
  title: string;
  inputs: string[];
  before?: string[];
  code?: number | null;
  signal?: string | null;
  endMs?: number;
  pid?: number;
  isDone?: boolean;
  sources?: boolean;
  sourceMaps?: boolean;
  sourceMapFolder?: string;
  outputs: Array<{ format: FileFormat; file: string }>;
}

/** What was made. Times are microseconds. */
export interface Summary {
  files: string[];
  unreadable: Array<[file: string, why: string]>;
  unrecorded: string[];
  durationUs: number;
  samples: number;
  ranUs: number;
  kinds: Array<[kind: string, share: number]>;
  threads: Array<[process: string, thread: string, ranUs: number]>;
  hottest: Array<{ function: string; place: string; selfUs: number; share: number }>;
  beforeUs?: number;
  changes: Array<{ function: string; place: string; beforeUs: number; afterUs: number }>;
}

/** What `--source-maps auto|off|DIR` asks for. */
export function maps(given: string): Pick<Request, 'sourceMaps' | 'sourceMapFolder'> {
  if (given === 'off') {
    return { sourceMaps: false };
  }
  return given === 'auto' ? { sourceMaps: true } : { sourceMaps: true, sourceMapFolder: resolve(given) };
}

export const SOURCE_MAPS = {
  value: 'auto|off|DIR',
  help: 'show code where it was written; DIR has further maps (default: auto)',
};

export async function make(request: Request): Promise<Summary> {
  const { text, error } = await loadAddon().makeReports(JSON.stringify(request));
  if (text === undefined) {
    throw new Error(error);
  }
  return JSON.parse(text) as Summary;
}

/** Formats by their names, separated by commas. */
export function formats(list: string): FileFormat[] {
  return list.split(',').map(name => {
    if (!Object.hasOwn(EXTENSIONS, name)) {
      throw new UsageError(`there is no format ${name}; the formats are ${Object.keys(EXTENSIONS).join(', ')}`);
    }
    return name as FileFormat;
  });
}

/** How many threads, or files of threads, are listed one by one. */
const LISTED = 8;

/** The folder in that of a recording which has its journals. */
export const JOURNALS = 'recording';

/** The recordings in a file or a folder. */
export function recordings(path: string): string[] {
  if (!existsSync(path)) {
    throw new UsageError(`there is no file or folder ${path}`);
  }
  if (!statSync(path).isDirectory()) {
    return [path];
  }
  const dir = existsSync(join(path, JOURNALS)) ? join(path, JOURNALS) : path;
  const found = readdirSync(dir).filter(name => name.endsWith('.journal'));
  if (found.length === 0) {
    throw new UsageError(`${path} has no recording; sentry-profiler-node record makes one`);
  }
  return found.map(name => join(dir, name));
}

export function duration(us: number): string {
  if (us >= 1e8) return `${(us / 1e6).toFixed(0)} s`;
  if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
  return us >= 1e5 ? `${(us / 1e3).toFixed(0)} ms` : `${(us / 1e3).toFixed(1)} ms`;
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The summary as lines of text. */
export function lines(summary: Summary): string[] {
  const { samples, durationUs, ranUs, kinds, threads, hottest, unrecorded, unreadable, files } = summary;
  const [recorded, ran] = [duration(durationUs), duration(ranUs)];
  const what = threads.length > 1 ? `in which ${threads.length} threads ran ${ran}` : `of which ${ran} ran`;
  const text = [`Recorded ${recorded}, ${what}: ${samples} samples.`];
  text.push(...unrecorded, ...unreadable.map(([file, why]) => `${file} cannot be read: ${why}.`));
  if (threads.length > 1) {
    const busiest = [...threads].sort(([, , one], [, , other]) => other - one).slice(0, LISTED);
    text.push('', ...table(busiest.map(([process, thread, us]) => [duration(us), `${process}, ${thread}`])));
    if (threads.length > LISTED) {
      text.push(`and ${threads.length - LISTED} more`);
    }
  }
  if (hottest.length > 0) {
    text.push('', kinds.map(([kind, share]) => `${kind} ${percent(share)}`).join(', '), '', ...hot(summary));
  }
  if (files.length > 0) {
    text.push('', ...shortened(files));
  }
  return text;
}

/** Files, of which those of threads are one line where they are many. */
function shortened(files: string[]): string[] {
  const all = (file: string) => join(dirname(file), `*${extname(file)}`);
  const alike = (file: string) => files.filter(other => all(other) === all(file));
  const line = (file: string) => (alike(file).length > LISTED ? `${all(file)} (${alike(file).length} files)` : file);
  return [...new Set(files.map(line))];
}

/** The hottest functions. */
export function hot({ hottest }: Summary): string[] {
  return table(hottest.map(row => [percent(row.share), duration(row.selfUs), `${row.function}  ${row.place}`]));
}

/** Lines of columns; all but the last stand on the right. */
export function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] as string).length)));
  return rows.map(row =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padStart(widths[at] as number))).join('  '),
  );
}
