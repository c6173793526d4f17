import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const EACH_MS = 1_000;
const FEWEST_ROWS = 4;
const SAVE = '\x1b7';
const RESTORE = '\x1b8';
const row = (number: number): string => `\x1b[${number};1H`;
const CLEAR_ROW = '\x1b[2K';
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';
/** Down, where the terminal scrolls if there is no row below, and up again: the cursor is in the last row no more. */
const MAKE_ROOM = '\x1bD\x1b[1A';
/** Which rows scroll. It moves the cursor. */
const scroll = (rows: number): string => `${SAVE}\x1b[1;${rows}r${RESTORE}`;

/**
 * Says each second in the terminal's last row what is recorded. Only the rows above scroll meanwhile, so that the
 * program, which shares the terminal, prints as usual. Returns what ends that.
 */
export function showStatus(journals: string): () => void {
  const terminal = process.stderr;
  const began = Date.now();
  let isShown = false;
  const reserve = () => {
    isShown = terminal.rows >= FEWEST_ROWS;
    if (isShown) {
      terminal.write(MAKE_ROOM + scroll(terminal.rows - 1));
    }
  };
  const timer = setInterval(() => {
    if (!isShown) {
      reserve();
    }
    if (isShown) {
      const line = describe(journals, Date.now() - began).slice(0, terminal.columns - 1);
      terminal.write(SAVE + row(terminal.rows) + CLEAR_ROW + DIM + line + PLAIN + RESTORE);
    }
  }, EACH_MS);
  const resized = () => isShown && reserve();
  terminal.on('resize', resized);
  return () => {
    clearInterval(timer);
    terminal.off('resize', resized);
    if (isShown) {
      terminal.write(SAVE + row(terminal.rows) + CLEAR_ROW + RESTORE + scroll(terminal.rows));
    }
  };
}

function describe(journals: string, ms: number): string {
  const sizes = sizesOf(journals);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const threads = `${sizes.length} thread${sizes.length === 1 ? '' : 's'}`;
  return `recording: ${Math.round(ms / 1e3)} s, ${threads}, ${Math.ceil(bytes / 1e3)} kB`;
}

function sizesOf(journals: string): number[] {
  try {
    const names = readdirSync(journals).filter(name => name.endsWith('.journal'));
    return names.map(name => statSync(join(journals, name)).size);
  } catch {
    // The program may remove them. It goes on, and so must what waits for it.
    return [];
  }
}
