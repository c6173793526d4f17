import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import { loadAddon, supportOf } from '../loader';
import { messageOf } from '../sentry';
import { outputs, USUAL_FORMATS } from './files';
import { OPEN, openPage } from './open';
import { formats, JOURNALS, lines, make, maps, SOURCE_MAPS } from './reports';
import type { Summary } from './reports';
import { SETTINGS } from './settings';
import type { RecordSettings } from './settings';
import { showStatus } from './status';
import { fail, say, seconds, UsageError } from './usage';
import type { Given, Specs } from './usage';

export const RECORD: Specs = {
  output: { short: 'o', value: 'DIR', help: 'where the files go (default: profiles/<name>-<time>)' },
  format: {
    short: 'f',
    value: 'LIST',
    help: `any of html, cpuprofile, md, pprof, folded, svg (default: ${USUAL_FORMATS})`,
  },
  delay: { value: 'TIME', help: 'begin to record this long after the start of the program, such as 10 or 500ms' },
  duration: { short: 'd', value: 'TIME', help: 'stop this long after the start or the delay (default: at its end)' },
  rate: { short: 'r', value: 'HZ', help: 'samples a second, 1 to 10,000 (default: 99)' },
  'on-port': { value: 'CMD', help: 'when the program listens, run CMD with $PORT; when that ends, end the program' },
  'no-children': { help: 'do not record the processes that the program starts' },
  'no-workers': { help: 'do not record its workers' },
  'source-maps': SOURCE_MAPS,
  'no-source': { help: 'show no source next to hot lines' },
  open: OPEN,
  quiet: { short: 'q', help: 'print nothing but errors' },
  json: { help: 'print the summary as JSON, on stderr' },
};

const OURS = 125;
const CANNOT_RUN = 126;
const NOT_FOUND = 127;
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const USUAL_RATE = 99;
const PORT_EACH_MS = 50;
/** Journals are written to four times a second. */
const WRITTEN_MS = 300;

type End = { code: number | null; signal: NodeJS.Signals | null };

export async function record(given: Given, words: string[]): Promise<number> {
  const [program] = words;
  if (program === undefined) {
    throw new UsageError('what is to be recorded? sentry-profiler-node record server.js');
  }
  const list = formats(String(given.format ?? USUAL_FORMATS));
  const rate = Number(given.rate ?? USUAL_RATE);
  if (!(rate >= 1 && rate <= 10_000)) {
    throw new UsageError(`--rate must be a number from 1 to 10000, got ${String(given.rate)}`);
  }
  const [delay, length] = [seconds(given, 'delay'), seconds(given, 'duration')];
  const dir = resolve(String(given.output ?? join('profiles', `${nameOf(program)}-${stamp(new Date())}`)));
  const journals = join(dir, JOURNALS);
  mkdirSync(journals, { recursive: true, mode: 0o700 });
  forget(journals);
  const fromMs = delay === undefined ? undefined : Date.now() + delay * 1e3;
  const settings: RecordSettings = {
    dir: journals,
    intervalUs: rate === USUAL_RATE ? undefined : Math.round(1e6 / rate),
    children: !given['no-children'],
    workers: !given['no-workers'],
    fromMs,
    untilMs: length === undefined ? undefined : (fromMs ?? Date.now()) + length * 1e3,
    port: given['on-port'] !== undefined,
  };
  // The terminal may be closed before the program has ended, and its report is made nevertheless.
  process.stderr.on('error', () => {});
  const child = start(words, settings);
  const isShown = process.stderr.isTTY && process.env.TERM !== 'dumb' && !given.quiet && !given.json;
  const hideStatus = isShown ? showStatus(journals) : () => {};
  const ended = end(child).finally(hideStatus);
  // Now that the program starts: it does not wait for this.
  const reason = whyNot();
  if (reason !== undefined) {
    fail(`nothing can be recorded: ${reason}`);
  }
  const loading = given['on-port'] === undefined ? undefined : load(child, journals, String(given['on-port']));
  const { code, signal, failure } = await ended;
  if (failure !== undefined) {
    fail(failure.code === 'ENOENT' ? `there is no ${program}` : `${program} cannot be run: ${failure.message}`);
    return failure.code === 'ENOENT' ? NOT_FOUND : CANNOT_RUN;
  }
  const endMs = Date.now();
  const ownEnd = (await loading) === true;
  const made = await finish({
    title: words.join(' '),
    inputs: inputsIn(journals),
    code: ownEnd ? null : code,
    signal: ownEnd ? null : signal,
    endMs,
    isDone: ownEnd,
    ...(child.pid !== undefined && { pid: child.pid }),
    sources: !given['no-source'],
    ...maps(String(given['source-maps'] ?? 'auto')),
    outputs: outputs(list, dir),
  });
  if (made === undefined) {
    return code === 0 ? OURS : repeat({ code, signal });
  }
  tell(made, journals, given);
  if (given.open) {
    openPage(made);
  }
  return ownEnd ? 0 : repeat({ code, signal });
}

/** Why this Node cannot be profiled, if that is so. */
function whyNot(): string | undefined {
  try {
    return supportOf(loadAddon()).reason ?? undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const nameOf = (program: string): string => basename(program).replace(/\.[cm]?[jt]sx?$/, '') || 'program';

/** A time as it can be part of a file's name on every system. */
const stamp = (date: Date): string => date.toISOString().slice(0, 19).replace(/:/g, '-');

/** Removes what an earlier recording left in the same folder. */
function forget(journals: string): void {
  readdirSync(journals)
    .filter(name => /^\d+-\d+(-\d+)?\.(journal|error)$|^port$/.test(name))
    .forEach(name => rmSync(join(journals, name)));
}

/** Starts the program, with what records it before all else. */
function start(words: string[], settings: RecordSettings): ChildProcess {
  const preload = join(__dirname, 'preload.cjs');
  const [program, ...args] = words as [string, ...string[]];
  const isNode = program === 'node' || program === process.execPath;
  const isScript = !isNode && isFile(program) && (/\.[cm]?[jt]sx?$/.test(program) || !isExecutable(program));
  const [file, all] = isScript
    ? [process.execPath, ['--require', preload, program, ...args]]
    : isNode
      ? [process.execPath, ['--require', preload, ...args]]
      : [program, args];
  const quoted = `"${preload.replace(/[\\"]/g, '\\$&')}"`;
  return spawn(file, all, {
    stdio: 'inherit',
    // Scripts of packages are no programs there.
    shell: process.platform === 'win32' && !isScript && !isNode,
    env: {
      ...process.env,
      NODE_OPTIONS: [process.env.NODE_OPTIONS, `--require ${quoted}`].filter(Boolean).join(' '),
      // What `npx` starts finds the programs of the project, as a script of `npm run` does.
      PATH: [join(process.cwd(), 'node_modules', '.bin'), process.env.PATH].filter(Boolean).join(delimiter),
      [SETTINGS]: JSON.stringify(settings),
    },
  });
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Waits for the program's end. Signals are for it. */
async function end(child: ChildProcess): Promise<End & { failure?: NodeJS.ErrnoException }> {
  const forward = (signal: NodeJS.Signals) => {
    // On a terminal, keys reach the whole group.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) {
      child.kill(signal);
    }
  };
  FORWARDED.forEach(signal => process.on(signal, forward));
  try {
    return await new Promise(done => {
      child.once('error', failure => done({ code: null, signal: null, failure }));
      child.once('exit', (code, signal) => done({ code, signal }));
    });
  } finally {
    FORWARDED.forEach(signal => process.off(signal, forward));
  }
}

/** Runs the command of `--on-port`, then ends the program. Returns whether it did. */
async function load(child: ChildProcess, journals: string, command: string): Promise<boolean> {
  const file = join(journals, 'port');
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') {
    if (child.exitCode !== null || child.signalCode !== null) {
      return false;
    }
    await new Promise(later => setTimeout(later, PORT_EACH_MS));
  }
  const env = { ...process.env, PORT: readFileSync(file, 'utf8') };
  // Ours are for a terminal and the program's.
  const loader = spawn(command, { shell: true, stdio: ['ignore', 'inherit', 'inherit'], env });
  const code = await new Promise<number | null>(done => {
    loader.once('error', () => done(null));
    loader.once('exit', done);
  });
  if (code !== 0) {
    fail(`the command of --on-port ended with ${code}`);
  }
  // What it answered last is in its journal then.
  await new Promise(later => setTimeout(later, WRITTEN_MS));
  return child.kill('SIGTERM');
}

const inputsIn = (journals: string): string[] =>
  (existsSync(journals) ? readdirSync(journals) : [])
    .filter(name => name.endsWith('.journal'))
    .map(name => join(journals, name));

async function finish(request: Parameters<typeof make>[0]): Promise<Summary | undefined> {
  try {
    return await make(request);
  } catch (error) {
    fail(`the report cannot be made: ${messageOf(error)}`);
    return undefined;
  }
}

function tell(made: Summary, journals: string, given: Given): void {
  const errors = existsSync(journals) ? readdirSync(journals).filter(name => name.endsWith('.error')) : [];
  for (const name of errors) {
    fail(`process ${name.split('-')[0]} was not recorded: ${readFileSync(join(journals, name), 'utf8')}`);
  }
  if (made.threads.length === 0) {
    fail('nothing was recorded: no Node program ran, or none long enough');
  }
  if (given.json) {
    say(JSON.stringify(made));
  } else if (!given.quiet) {
    say(['', ...lines(made)].join('\n'));
  }
}

/** Ends as the program did. */
function repeat({ code, signal }: End): number {
  if (signal !== null) {
    process.kill(process.pid, signal);
    // Where that signal does not end a process.
    return 128 + (os.signals[signal] ?? 0);
  }
  return code ?? OURS;
}
