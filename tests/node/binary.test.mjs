// One package has the files of all platforms: which one is loaded, and what is said of one that cannot be.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import test from 'node:test';
import { ADDON, PACKAGE, TARGET } from './support/environment.mjs';
import { projectWithCopy, run } from './support/service.mjs';
import { assertLoaded, assertUnavailable, assertUnavailableOn, LOAD, loadedBy } from './support/unavailable.mjs';

const OWN_NAME = basename(ADDON);
const ADDON_BYTES = readFileSync(ADDON);
const TARGETS = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-glibc',
  'linux-arm64-musl',
  'linux-x64-glibc',
  'linux-x64-musl',
  'win32-x64',
];

/** A copy of the package: `file` is its native file for this platform, and `load` tries it in a process of its own. */
function copied(t) {
  const dir = projectWithCopy(t, { 'load.cjs': LOAD });
  const folder = join(dir, 'node_modules/sentry-profiler-node');
  const load = async ({ before = '', ...options } = {}) => {
    writeFileSync(join(dir, 'before.cjs'), before);
    const flags = ['--require', join(dir, 'before.cjs')];
    return loadedBy((await run(join(dir, 'load.cjs'), { flags, ...options })).stdout);
  };
  return { dir, folder, file: join(folder, OWN_NAME), load };
}

/** Code that takes a hint at the libc away, or puts another one in its place. */
const HIDE = {
  maps: maps => `{
    const fs = require('node:fs');
    const { readFileSync } = fs;
    fs.readFileSync = (file, ...rest) => {
      if (file !== '/proc/self/maps') return readFileSync(file, ...rest);
      if (${maps === undefined}) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return ${JSON.stringify(maps)};
    };
  }`,
  program: (file = '/no/such/program') => `process.execPath = ${JSON.stringify(file)};`,
  report: files => `Object.defineProperty(process, 'report', {
    value: ${files ? `{ getReport: () => (${JSON.stringify({ header: {}, sharedObjects: files })}) }` : undefined},
  });`,
};

/** An ELF header with nothing but the loader that the program asks for. */
function programOf(loader) {
  const bytes = Buffer.alloc(64 + 56);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(3, 64);
  bytes.writeBigUInt64LE(120n, 64 + 8);
  bytes.writeBigUInt64LE(BigInt(loader.length + 1), 64 + 32);
  return Buffer.concat([bytes, Buffer.from(`${loader}\0`)]);
}

const onLinux = process.platform === 'linux' ? false : 'the libc matters on Linux only';
const HINTS = Object.keys(HIDE);

test('the libc is known without any one of the hints', { skip: onLinux }, async t => {
  const { load } = copied(t);
  for (const hint of HINTS) {
    const others = HINTS.filter(other => other !== hint);
    assertLoaded(await load({ before: HIDE[hint]() }));
    assertLoaded(await load({ before: others.map(other => HIDE[other]()).join('\n') }));
  }
});

test('each hint at musl is understood', { skip: onLinux || (TARGET.endsWith('musl') && 'it is musl') }, async t => {
  const { dir, folder, load } = copied(t);
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const program = join(dir, 'program');
  writeFileSync(program, programOf(`/lib/ld-musl-${arch}.so.1`));
  writeFileSync(join(dir, 'libc.so'), Buffer.alloc(64));
  const line = file => `7f2d4c000000-7f2d4c014000 r--p 00000000 08:01 4242                       ${file}\n`;
  const without = HIDE.maps() + HIDE.program();
  const musl = `linux-${process.arch}-musl`;
  rmSync(join(folder, `sentry_profiler-${musl}.node`), { force: true });
  for (const before of [
    HIDE.maps(line('/usr/local/bin/node') + line(`/lib/ld-musl-${arch}.so.1`)),
    HIDE.maps(line(`/usr/lib/${arch}-linux-musl/libc.so`) + line('/usr/local/bin/node')),
    // A library that was updated while the process runs.
    HIDE.maps(line(`/lib/ld-musl-${arch}.so.1 (deleted)`)),
    // What is mapped goes first: with gcompat, a program for glibc runs on musl.
    HIDE.maps(line(`/lib/ld-musl-${arch}.so.1`) + line('/lib/libgcompat.so.0')),
    // Two of them are no hint.
    HIDE.maps(line(`/lib/ld-musl-${arch}.so.1`) + line('/lib/libc.so.6')) + HIDE.program(program),
    HIDE.maps() + HIDE.program(program),
    // Started by its loader, as in `ld-musl-x86_64.so.1 node`.
    HIDE.maps() + HIDE.program(join(dir, 'libc.so')),
    without + HIDE.report(['linux-vdso.so.1', `/lib/ld-musl-${arch}.so.1`]),
  ]) {
    const result = await load({ before });
    assertUnavailableOn(musl, result, 'ERR_SENTRY_PROFILER_MISSING', `sentry_profiler-${musl}.node is missing`);
  }
});

const permission = ['--permission', '--experimental-permission'].find(flag =>
  process.allowedNodeEnvironmentFlags.has(flag),
);

test('a process that may read nothing but its own files', { skip: !permission && 'no permission model' }, async t => {
  const { dir, load } = copied(t);
  const readable = `--allow-fs-read=${join(realpathSync(dir), '*')}`;
  assertLoaded(await load({ flags: [permission, readable, '--allow-addons'], cwd: dir }));
});

for (const [platform, arch, target] of [
  ['linux', 's390x', `linux-s390x-${TARGET.split('-')[2]}`],
  ['freebsd', 'x64', 'freebsd-x64'],
  ['win32', 'arm64', 'win32-arm64'],
]) {
  test(`no file for ${platform} on ${arch}`, { skip: onLinux }, async t => {
    const { load } = copied(t);
    const before = Object.entries({ platform, arch })
      .map(([name, value]) => `Object.defineProperty(process, '${name}', { value: '${value}' });`)
      .join('\n');
    assertUnavailableOn(
      target,
      await load({ before }),
      'ERR_SENTRY_PROFILER_PLATFORM',
      `This version of sentry-profiler-node has no binary for ${target}`,
      `Node ${process.versions.node}`,
    );
  });
}

test("the package's own file is missing", async t => {
  const { folder, file, load } = copied(t);
  const other = join(folder, 'sentry_profiler-aix-ppc64.node');
  renameSync(file, other);
  assertUnavailable(
    await load(),
    'ERR_SENTRY_PROFILER_MISSING',
    `${OWN_NAME} is missing, and the package has only `,
    basename(other),
    'keep it when you remove the files of other platforms',
  );
  for (const name of readdirSync(folder).filter(name => name.endsWith('.node'))) {
    renameSync(join(folder, name), join(folder, `${name}.bak`));
  }
  assertUnavailable(
    await load(),
    'ERR_SENTRY_PROFILER_MISSING',
    `${OWN_NAME} is missing, as is every other .node file`,
    'Install sentry-profiler-node again',
  );
});

/** A file is said to be unfit in the same words wherever it lies. */
async function assertUnfit({ dir, file, load }, reason, advice) {
  const again = advice ?? 'Install sentry-profiler-node again';
  assertUnavailable(await load(), 'ERR_SENTRY_PROFILER_LOAD', `The package's file ${OWN_NAME} cannot`, reason, again);
  const path = join(dir, 'other.node');
  renameSync(file, path);
  const env = { SENTRY_PROFILER_BINARY_PATH: path };
  const unset = advice ?? 'or unset SENTRY_PROFILER_BINARY_PATH';
  assertUnavailable(
    await load({ env }),
    'ERR_SENTRY_PROFILER_LOAD',
    `${path} (SENTRY_PROFILER_BINARY_PATH)`,
    reason,
    unset,
  );
  renameSync(path, file);
}

test('a file that was cut off never reaches the system, which would end the process', async t => {
  const copy = copied(t);
  for (const size of [ADDON_BYTES.length - 1, ADDON_BYTES.length >> 1, 4096, 20, 0]) {
    truncateSync(copy.file, size);
    await assertUnfit(copy, `it was cut off after ${size} bytes`);
  }
});

test('a file of another platform', { skip: onLinux }, async t => {
  const copy = copied(t);
  const [, arch, libc] = TARGET.split('-');
  const changed = change => {
    const bytes = Buffer.from(ADDON_BYTES);
    change(bytes);
    return bytes;
  };
  const otherArch = arch === 'x64' ? 'arm64' : 'x64';
  const pe = Buffer.alloc(0x400);
  pe.write('MZ');
  pe.writeUInt32LE(0x80, 0x3c);
  pe.write('PE\0\0', 0x80);
  pe.writeUInt16LE(0x8664, 0x84);
  const macho = Buffer.alloc(0x400);
  macho.writeUInt32LE(0xfeedfacf);
  macho.writeUInt32LE(0x0100000c, 4);
  for (const [bytes, reason] of [
    [
      changed(bytes => bytes.writeUInt16LE(arch === 'x64' ? 183 : 62, 18)),
      `it is built for linux-${otherArch}-${libc}`,
    ],
    [
      changed(bytes => bytes.write('\0libc.so\0', bytes.indexOf('\0libc.so.6\0'))),
      `it is built for linux-${arch}-musl`,
    ],
    [pe, 'it is built for win32-x64'],
    [macho, 'it is built for darwin-arm64'],
    [Buffer.from('version https://git-lfs.github.com/spec/v1'), 'it is not a native file'],
  ]) {
    writeFileSync(copy.file, bytes);
    await assertUnfit(copy, reason);
  }
});

test('a file that may not be read', { skip: process.platform === 'win32' && 'needs users and modes' }, async t => {
  const copy = copied(t);
  const { dir, file, load } = copy;
  const said = ['this process may not read it (EACCES)', 'Let the user read it'];
  chmodSync(file, 0);
  if (process.getuid() !== 0) {
    return assertUnfit(copy, ...said);
  }
  // Root may read everything, so the program becomes somebody else once it has the package's JavaScript.
  chmodSync(dir, 0o755);
  const [, required, rest] = /^(\s*const profiler = [^\n]*\n)(.*)$/s.exec(LOAD);
  writeFileSync(join(dir, 'load.cjs'), `${required}process.seteuid(65534);\n${rest}`);
  assertUnavailable(await load(), 'ERR_SENTRY_PROFILER_LOAD', OWN_NAME, ...said);
});

test("the README's line leaves one platform's file", { skip: onLinux }, async t => {
  const { dir, folder, file, load } = copied(t);
  for (const target of TARGETS) {
    const name = join(folder, `sentry_profiler-${target}.node`);
    if (!existsSync(name)) {
      copyFileSync(file, name);
    }
  }
  // Installed under the old name, and copied by a bundler.
  const alias = join(dir, 'node_modules/@sentry/profiling-node');
  const bundle = join(dir, 'dist');
  for (const to of [alias, bundle]) {
    mkdirSync(to, { recursive: true });
    TARGETS.forEach(target => copyFileSync(file, join(to, `sentry_profiler-${target}.node`)));
  }
  copyFileSync(file, join(bundle, `sentry_profiler-${TARGET}-5HQ3ZC2A.node`));
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  const [line] = /^find .*-delete$/m.exec(readme) ?? assert.fail('the README has no such line');
  execFileSync('sh', ['-c', line.replace('linux-x64-glibc', TARGET)], { cwd: dir });
  const left = folder => readdirSync(folder).filter(name => name.endsWith('.node'));
  assert.deepEqual(left(folder), [OWN_NAME]);
  assert.deepEqual(left(alias), [OWN_NAME]);
  assert.deepEqual(left(bundle).sort(), [`sentry_profiler-${TARGET}-5HQ3ZC2A.node`, OWN_NAME].sort());
  assertLoaded(await load());
});
