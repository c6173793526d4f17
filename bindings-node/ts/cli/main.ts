import { convert, CONVERT, diff, DIFF, report, REPORT } from './files';
import { record, RECORD } from './record';
import { top, TOP } from './top';
import { fail, listed, parse, print, say, UsageError } from './usage';
import type { Given, Specs } from './usage';

interface Command {
  /** What follows the command's name. */
  usage: string;
  about: string;
  options: Specs;
  /** Whether options may follow the first word. */
  anywhere: boolean;
  run(given: Given, rest: string[]): Promise<number>;
}

const COMMANDS: Record<string, Command> = {
  record: {
    usage: '[options] [--] <script | command> [args]',
    about: 'Run a program and make a report of what it spent its time on',
    options: RECORD,
    anywhere: false,
    run: record,
  },
  report: {
    usage: '[options] <file | folder>...',
    about: 'Make a report of recordings, also of one whose program was killed',
    options: REPORT,
    anywhere: true,
    run: report,
  },
  top: {
    usage: '<file | folder>',
    about: 'Show the hottest functions, live while they are recorded',
    options: TOP,
    anywhere: true,
    run: top,
  },
  diff: {
    usage: '[options] <before> <after>',
    about: 'Compare two recordings',
    options: DIFF,
    anywhere: true,
    run: diff,
  },
  convert: {
    usage: '<file> -f FORMAT [-o FILE]',
    about: 'Write a recording, a .cpuprofile or a chunk in another format',
    options: CONVERT,
    anywhere: true,
    run: convert,
  },
};

/** The exit codes of shells and of `env`. */
const USAGE = 2;
const OURS = 125;

function help(): string {
  const width = Math.max(...Object.keys(COMMANDS).map(name => name.length));
  const commands = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`);
  return `Profile a program: where its time goes, in one file, without an account.

Usage: sentry-profiler-node <command> …

${commands.join('\n')}

  npx sentry-profiler-node record server.js
  npx sentry-profiler-node record --open -- npm test

\`sentry-profiler-node <command> --help\` has a command's options.`;
}

function helpOf(name: string, { usage, about, options }: Command): string {
  return `${about}.

Usage: sentry-profiler-node ${name} ${usage}

${listed({ ...options, help: { short: 'h', help: 'print this' } })}`;
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    print(help());
    return name === undefined ? USAGE : 0;
  }
  if (name === '--version' || name === '-v') {
    const { version } = require('../package.json') as { version: string };
    print(version);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    throw new UsageError(`there is no command ${name}; sentry-profiler-node --help lists them`);
  }
  const { given, rest: words } = parse(rest, { ...command.options, help: { short: 'h', help: '' } }, command.anywhere);
  if (given.help) {
    print(helpOf(name, command));
    return 0;
  }
  return command.run(given, words);
}

main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code;
  },
  error => {
    fail(error);
    if (error instanceof UsageError) {
      say('sentry-profiler-node --help says how it is used.');
    }
    process.exitCode = error instanceof UsageError ? USAGE : OURS;
  },
);
