'use strict';
// How long it takes until a package can be used: node require.cjs PACKAGE, from the folder where it is installed.

const { createRequire } = require('node:module');
const { join } = require('node:path');

const requireHere = createRequire(join(process.cwd(), 'package.json'));
const begin = performance.now();
const loaded = requireHere(process.argv[2]);
// Ours loads its add-on when it is needed.
loaded.getFrameModule?.('/app/index.js');
console.log(JSON.stringify({ require: performance.now() - begin }));
process.exit();
