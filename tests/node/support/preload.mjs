import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Builds a C file of this folder as a library to preload, in a temporary folder of the test. */
export function preloaded(t, source) {
  const dir = mkdtempSync(join(tmpdir(), 'sentry-profiler-preload-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const library = join(dir, `${source}.so`);
  const file = fileURLToPath(new URL(source, import.meta.url));
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', library, file]);
  return { dir, library };
}
