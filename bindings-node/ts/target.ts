// Where this process runs: the part of a native file's name that says which one fits.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

export type Libc = 'glibc' | 'musl';

/** Platform, architecture and, on Linux, libc. */
export function currentTarget(): string {
  const target = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${target}-${libc()}` : target;
}

/** The libc of this process. Where nothing says which, it is the one that most distributions have. */
function libc(): Libc {
  return knownLibc() ?? 'glibc';
}

let known: Libc | undefined;

/**
 * The libc that this process runs on, which need not be the distribution's.
 *
 * No program is run. The files that are mapped into the process say it best. Where `/proc` is missing or may not be
 * read, there is the loader that the runtime's program asks for, and at last Node's report, which takes milliseconds.
 */
export function knownLibc(): Libc | undefined {
  known ??= libcAmong(mappedFiles) ?? libcAmong(programLoader) ?? libcAmong(reportedFiles);
  return known;
}

/** File names of each libc and of its loader. Where musl is installed by itself, both are one `libc.so`. */
const NAMES: Record<Libc, RegExp> = {
  glibc: /\/(libc\.so\.6|libc-2[^/\n]*\.so|ld-linux[^/\n]*\.so\.\d+|ld64\.so\.\d+)( \(deleted\))?$/m,
  musl: /\/(libc\.so|libc\.musl-[^/\n]*|ld-musl-[^/\n]*)( \(deleted\))?$/m,
};

/** The libc that is among files, one a line; nothing when none is, or both are. */
function libcAmong(list: () => string): Libc | undefined {
  let files: string;
  try {
    files = list();
  } catch {
    return undefined;
  }
  const [glibc, musl] = [NAMES.glibc.test(files), NAMES.musl.test(files)];
  return glibc === musl ? undefined : glibc ? 'glibc' : 'musl';
}

function mappedFiles(): string {
  return readFileSync('/proc/self/maps', 'latin1');
}

/** The loader that this runtime's program names in its ELF header. A program that was started by a loader is that loader. */
function programLoader(): string {
  const PT_INTERP = 3;
  const file = openSync(process.execPath, 'r');
  try {
    const read = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    };
    const header = read(0, 64);
    const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
    const segments = read(Number(header.readBigUInt64LE(32)), size * count);
    for (let at = 0; at < segments.length; at += size) {
      if (segments.readUInt32LE(at) === PT_INTERP) {
        const [offset, length] = [8, 32].map(field => Number(segments.readBigUInt64LE(at + field))) as [number, number];
        return read(offset, length).toString('latin1').replace(/\0.*/s, '');
      }
    }
    return process.execPath;
  } finally {
    closeSync(file);
  }
}

/** What Node's report lists as loaded. */
function reportedFiles(): string {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  // Without this a report looks up the name of every peer of every open socket, on this thread.
  const { excludeNetwork } = report;
  report.excludeNetwork = true;
  try {
    return (report.getReport() as { sharedObjects: string[] }).sharedObjects.join('\n');
  } finally {
    if (excludeNetwork !== undefined) {
      report.excludeNetwork = excludeNetwork;
    }
  }
}
