// What a native file is by its headers, whatever its name says.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { knownLibc, type Libc } from './target';

/** The headers are in the first part of a file, and so is the table of the names that it asks for. */
const HEAD_BYTES = 1 << 16;

/** Why a file cannot be loaded, and what to do unless that is to replace it. */
export interface Misfit {
  reason: string;
  advice?: string;
}

/**
 * Why this process cannot load a file, as far as that shows without loading it.
 *
 * To be asked before: a system maps a file that was cut off, and ends the process once it touches what is not there.
 */
export function misfit(file: string): Misfit | undefined {
  let head: Buffer;
  let length: number;
  try {
    [head, length] = headOf(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Whatever else is wrong with it shows when it is loaded.
    return code === 'EACCES' || code === 'EPERM'
      ? { reason: `this process may not read it (${code}).`, advice: 'Let the user read it that runs this process.' }
      : undefined;
  }
  let binary: Binary | undefined;
  try {
    binary = parse(head);
  } catch {
    // A header that says more than there is.
    return { reason: cutOff(length) };
  }
  if (!binary) {
    return { reason: length === 0 ? cutOff(length) : 'it is not a native file.' };
  }
  if (length < binary.end) {
    return { reason: cutOff(length) };
  }
  const { platform, arch, libc } = binary;
  return fits(binary) ? undefined : { reason: `it is built for ${[platform, arch, libc].filter(Boolean).join('-')}.` };
}

/** The first part of a file, and the length of all. */
function headOf(file: string): [head: Buffer, length: number] {
  const opened = openSync(file, 'r');
  try {
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    return [head.subarray(0, readSync(opened, head)), fstatSync(opened).size];
  } finally {
    closeSync(opened);
  }
}

function cutOff(length: number): string {
  return `it was cut off after ${length} bytes.`;
}

/** What a file's headers say. */
interface Binary {
  /** Linux for every system with its format. */
  platform: 'linux' | 'darwin' | 'win32';
  /** As Node calls it; nothing where we know no name. */
  arch: string | undefined;
  libc?: Libc | undefined;
  /** How long it must be. */
  end: number;
}

function fits({ platform, arch, libc }: Binary): boolean {
  const here = ['darwin', 'win32'].includes(process.platform) ? process.platform : 'linux';
  const other = (theirs: string | undefined, ours: string | undefined) =>
    theirs !== undefined && ours !== undefined && theirs !== ours;
  return platform === here && !other(arch, process.arch) && !(process.platform === 'linux' && other(libc, knownLibc()));
}

function parse(bytes: Buffer): Binary | undefined {
  if (bytes.toString('latin1', 0, 4) === '\x7fELF') {
    return parseElf(bytes);
  }
  if (bytes.toString('latin1', 0, 2) === 'MZ') {
    return parsePe(bytes);
  }
  switch (bytes.toString('hex', 0, 4)) {
    case 'cffaedfe':
      return parseMachO(bytes);
    case 'cafebabe':
      // Of several architectures.
      return { platform: 'darwin', arch: undefined, end: 0 };
  }
  return undefined;
}

/** The architectures for which there are files, by the numbers of each format. */
const ARCHS: Record<Binary['platform'], Record<number, string>> = {
  linux: { 62: 'x64', 183: 'arm64' },
  darwin: { 16777223: 'x64', 16777228: 'arm64' },
  win32: { 34404: 'x64', 43620: 'arm64' },
};

function parseElf(bytes: Buffer): Binary {
  if (bytes.readUInt16LE(4) !== 0x0102) {
    // Of 32 bits, or with the other order of bytes: none that we build.
    return { platform: 'linux', arch: undefined, end: 0 };
  }
  const number = (at: number) => Number(bytes.readBigUInt64LE(at));
  const arch = ARCHS.linux[bytes.readUInt16LE(18)];
  // The table of sections is the last thing in it.
  const end = number(40) + bytes.readUInt16LE(58) * bytes.readUInt16LE(60);
  const [glibc, musl] = ['\0libc.so.6\0', '\0libc.so\0'].map(name => bytes.includes(name, 0, 'latin1'));
  return { platform: 'linux', arch, libc: glibc === musl ? undefined : glibc ? 'glibc' : 'musl', end };
}

function parsePe(bytes: Buffer): Binary {
  const header = bytes.readUInt32LE(0x3c);
  const arch = ARCHS.win32[bytes.readUInt16LE(header + 4)];
  const sections = header + 24 + bytes.readUInt16LE(header + 20);
  let end = 0;
  for (let at = sections; at < sections + 40 * bytes.readUInt16LE(header + 6); at += 40) {
    end = Math.max(end, bytes.readUInt32LE(at + 16) + bytes.readUInt32LE(at + 20));
  }
  return { platform: 'win32', arch, end };
}

function parseMachO(bytes: Buffer): Binary {
  const SEGMENT = 0x19;
  const arch = ARCHS.darwin[bytes.readUInt32LE(4)];
  let end = 0;
  let at = 32;
  for (let command = bytes.readUInt32LE(16); command > 0; command--) {
    if (bytes.readUInt32LE(at) === SEGMENT) {
      end = Math.max(end, Number(bytes.readBigUInt64LE(at + 40) + bytes.readBigUInt64LE(at + 48)));
    }
    at += bytes.readUInt32LE(at + 4);
  }
  return { platform: 'darwin', arch, end };
}
