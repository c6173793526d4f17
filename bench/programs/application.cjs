'use strict';
// Writes an application of many modules, the same each time: node application.cjs FOLDER. Most of their functions run
// once, when they are loaded, as in real applications.

const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { random } = require('./shapes.cjs');

const MODULES = 450;
const PARTS = 16;

const next = random(2);
const pick = count => Math.floor(next() * count);

/** A schema, a class and a handler with its route: nine functions. */
const part = id => `
function schema${id}(field) {
  const rules = ['required', 'text', 'number'].map((kind, at) => ({ kind, at, field: field + ${pick(1_000)} }));
  return value => rules.filter(rule => rule.kind === typeof value || rule.at === ${pick(3)}).map(({ kind }) => kind);
}

class Order${id} {
  constructor(lines) {
    this.lines = lines;
    this.currency = '${['EUR', 'USD', 'JPY'][pick(3)]}';
  }
  total() {
    return this.lines.reduce((sum, { price, count }) => sum + price * count, ${pick(100)});
  }
}

function handler${id}(validate, order) {
  const [first = 'none'] = validate(order.currency);
  if (order.total() > ${pick(1_000)}) return { status: 200, body: first + order.total() };
  return { status: 404, body: 'order ${id} is ' + first };
}

routes.set('/orders/${id}', handler${id}(
  schema${id}('field ${id}'),
  new Order${id}([{ price: ${pick(50)}, count: ${pick(20)} }, { price: ${pick(50)}, count: ${pick(20)} }]),
));
`;

/** Each module requires an earlier one, and the first makes what all share. */
function source(module) {
  const shared = module === 0 ? '{ routes: new Map() }' : `require('./module${pick(module)}.js')`;
  const parts = Array.from({ length: PARTS }, (_, at) => part(module * PARTS + at));
  return `'use strict';\nconst { routes } = ${shared};\n${parts.join('')}\nmodule.exports = { routes };\n`;
}

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
const names = Array.from({ length: MODULES }, (_, module) => `module${module}.js`);
names.forEach((name, module) => writeFileSync(join(folder, name), source(module)));
writeFileSync(join(folder, 'index.js'), names.map(name => `require('./${name}');\n`).join(''));
