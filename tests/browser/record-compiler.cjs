// Records the TypeScript compiler while it checks its own declarations:
// record-compiler.cjs ADDON FOLDER-WITH-NODE_MODULES OUTPUT

const { writeFileSync } = require('node:fs');
const { join } = require('node:path');

const [, , addon, folder, output] = process.argv;
const { startProfiling, stopProfiling } = require(addon);
const CHUNK = 1;

const typescript = join(folder, 'node_modules', 'typescript', 'lib');
process.argv = [
  process.argv[0],
  'tsc',
  '--noEmit',
  '--strict',
  '--target',
  'es2022',
  join(typescript, 'typescript.d.ts'),
];
process.on('exit', () => {
  const { measurements, ...profile } = stopProfiling('compiler', CHUNK, 0, false);
  writeFileSync(output, JSON.stringify({ profile, measurements }));
});
startProfiling('compiler');
require(join(typescript, 'tsc.js'));
