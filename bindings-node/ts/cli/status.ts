import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const EACH_MS = 1_000;
/** Below the line that the program writes to, whose cursor stays where it is: room, then our line, then back. */
const BELOW = '\x1bD\x1b[1A\x1b7\x1b[1B\r\x1b[2K';
const BACK = '\x1b8';

/** Says each second on the terminal what is recorded. Returns what ends that. */
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
    process.stderr.write(`${BELOW}\x1b[2m${line}\x1b[0m${BACK}`);
    isShown = true;
  }, EACH_MS);
  return () => {
    clearInterval(timer);
    if (isShown) {
      process.stderr.write(`${BELOW}${BACK}`);
    }
  };
}
