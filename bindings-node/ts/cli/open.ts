import { spawn } from 'node:child_process';
import type { Summary } from './reports';
import { fail } from './usage';

export const OPEN = { help: 'open the report in a browser' };

/** Opens the page among the files that were made. */
export function openPage({ files }: Summary): void {
  const page = files.find(file => file.endsWith('.html'));
  if (page === undefined) {
    fail('there is no report to open; -f html makes one');
    return;
  }
  const opener: Partial<Record<NodeJS.Platform, string[]>> = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] };
  const [command, ...args] = opener[process.platform] ?? ['xdg-open'];
  const opened = spawn(command as string, [...args, page], { stdio: 'ignore', detached: true });
  opened.once('error', error => fail(`${page} cannot be opened: ${error.message}`));
  opened.unref();
}
