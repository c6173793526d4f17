import { messageOf } from '../sentry';

/** Something is wrong with how the command was called. */
export class UsageError extends Error {}

/** What an option takes: nothing, or a value of this name. */
export interface OptionSpec {
  short?: string;
  value?: string;
  help: string;
}

export type Specs = Record<string, OptionSpec>;
export type Given = Record<string, string | true>;

/**
 * Reads options up to the first word that is none, or to `--`: all that follows is the program's. With `anywhere`,
 * options may also come after words.
 */
export function parse(args: readonly string[], specs: Specs, anywhere: boolean): { given: Given; rest: string[] } {
  const given: Given = {};
  const rest: string[] = [];
  const byShort = new Map(Object.entries(specs).map(([name, { short }]) => [short, name]));
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === '--') {
      return { given, rest: [...rest, ...args.slice(at + 1)] };
    }
    if (!arg.startsWith('-') || arg === '-') {
      if (!anywhere) {
        return { given, rest: args.slice(at) };
      }
      rest.push(arg);
      continue;
    }
    const [flag, inline] = splitOnce(arg, '=');
    const name = flag.startsWith('--') ? flag.slice(2) : (byShort.get(flag.slice(1)) ?? '');
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) {
      throw new UsageError(`there is no option ${flag}${similar(name, Object.keys(specs))}`);
    }
    if (spec.value === undefined) {
      if (inline !== undefined) {
        throw new UsageError(`${flag} takes no value`);
      }
      given[name] = true;
      continue;
    }
    const value = inline ?? args[++at];
    if (value === undefined || value === '') {
      throw new UsageError(`${flag} needs a value: ${flag} ${spec.value}`);
    }
    given[name] = value;
  }
  return { given, rest };
}

function splitOnce(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

/** The option that may have been meant. */
function similar(name: string, names: string[]): string {
  const found = names.find(known => name.length > 2 && (known.startsWith(name) || name.startsWith(known)));
  return found === undefined ? '' : `; is --${found} meant?`;
}

/** The lines of a help text about options. */
export function listed(specs: Specs): string {
  const left = Object.entries(specs).map(
    ([name, { short, value }]) =>
      `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
  );
  const width = Math.max(...left.map(text => text.length));
  return Object.values(specs)
    .map(({ help }, at) => `  ${(left[at] as string).padEnd(width)}  ${help}`)
    .join('\n');
}

/** A number with a unit of time or without: seconds. */
export function seconds(given: Given, name: string): number | undefined {
  const text = given[name];
  if (text === undefined) {
    return undefined;
  }
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(String(text)) ?? [];
  if (number === undefined) {
    throw new UsageError(`--${name} must be a time such as 10, 1.5s, 200ms or 2m, got ${String(text)}`);
  }
  return Number(number) * { ms: 1e-3, s: 1, m: 60 }[(unit ?? 's') as 'ms' | 's' | 'm'];
}

/** Our own lines go to stderr: stdout is the program's. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** What other programs read. Only where no program of the user's runs. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function fail(error: unknown): void {
  say(`sentry-profiler-node: ${messageOf(error)}`);
}
