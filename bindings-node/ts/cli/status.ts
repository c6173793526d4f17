import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const EACH_MS = 1_000;
const title = (text: string): string => `\x1b]0;${text}\x07`;
/** Terminals have a stack of titles. Those that do not get no title at the end. */
const SAVE = '\x1b[22;0t';
const RESTORE = `${title('')}\x1b[23;0t`;

/**
 * Says each second in the terminal's title what is recorded. All rows are the program's: what it prints next would be
 * mixed with a line of ours. Returns what ends that.
 */
export function showStatus(journals: string): () => void {
  const began = Date.now();
  let isShown = false;
  const timer = setInterval(() => {
    const sizes = readdirSync(journals)
      .filter(name => name.endsWith('.journal'))
      .map(name => statSync(join(journals, name)).size);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const threads = `${sizes.length} thread${sizes.length === 1 ? '' : 's'}`;
    const line = `recording: ${Math.round((Date.now() - began) / 1e3)} s, ${threads}, ${Math.ceil(bytes / 1e3)} kB`;
    process.stderr.write(`${isShown ? '' : SAVE}${title(line)}`);
    isShown = true;
  }, EACH_MS);
  return () => {
    clearInterval(timer);
    if (isShown) {
      process.stderr.write(RESTORE);
    }
  };
}
