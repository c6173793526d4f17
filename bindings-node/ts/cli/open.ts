import { spawn } from 'node:child_process';
import type { Summary } from './reports';
import { fail } from './usage';
import type { OptionSpec } from './usage';

export const OPEN: OptionSpec = { help: 'open the report in a browser' };

/** Opens the page among what was made, if there is one. */
export function openPage({ files }: Summary): void {
  const page = files.find(file => file.endsWith('.html'));
  if (page === undefined) {
    return;
  }
  const [command, args] = {
    darwin: ['open', []],
    win32: ['cmd', ['/c', 'start', '']],
  }[process.platform as string] ?? ['xdg-open', []];
  const opened = spawn(command as string, [...(args as string[]), page], { stdio: 'ignore', detached: true });
  opened.once('error', error => fail(`${page} cannot be opened: ${error.message}`));
  opened.unref();
}
