// The declarations of the add-on's exports (bindings-node/ts/addon.ts) match exactly what it exports.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { ADDON, requireTool } from './support/environment.mjs';
import { work } from './support/profile.mjs';

const addon = createRequire(import.meta.url)(ADDON);
const busy = new Function(`return ${work('busy')}`)();
const ts = requireTool('typescript');

const file = fileURLToPath(new URL('../../bindings-node/ts/addon.ts', import.meta.url));
const program = ts.createProgram([file], { strict: true, target: ts.ScriptTarget.ES2022, types: [], noEmit: true });
const checker = program.getTypeChecker();
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
const typeNamed = name =>
  checker.getDeclaredTypeOfSymbol(exported.find(symbol => symbol.name === name) ?? assert.fail(`no type ${name}`));

const typeOf = property => checker.getTypeOfSymbol(property);

/** The kind of a declared member at run time. */
function declaredKind(property) {
  const type = typeOf(property);
  if (type.getConstructSignatures().length > 0) {
    return 'class';
  }
  return type.getCallSignatures().length > 0 ? 'function' : 'value';
}

/** Each member's name and kind, sorted by name. */
const table = entries => Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
const declared = type =>
  table(checker.getPropertiesOfType(type).map(property => [property.name, declaredKind(property)]));

/** The actual members of objects. A class is a function whose prototype has more than a constructor. */
function actual(...objects) {
  const kind = value => {
    if (typeof value !== 'function') {
      return 'value';
    }
    return Object.getOwnPropertyNames(value.prototype ?? {}).length > 1 ? 'class' : 'function';
  };
  const members = objects.flatMap(object => Object.entries(Object.getOwnPropertyDescriptors(object)));
  return table(members.map(([name, { value }]) => [name, kind(value)]));
}

/** Members that every class has at run time and no declaration lists. */
const OF_EVERY_CLASS = ['arguments', 'caller', 'length', 'name', 'prototype'];

function without(members, names) {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));
}

const newSession = () =>
  new addon.Session({ lifecycle: 'manual', sampleRate: 1, threadId: '0', threadName: 'main' }, () => {});

/** An instance of each class. */
const INSTANCES = { Session: newSession };

test('the exports', () => {
  assert.deepEqual(actual(addon), declared(typeNamed('Addon')));
});

test('the members of each class', () => {
  const classes = checker
    .getPropertiesOfType(typeNamed('Addon'))
    .filter(property => declaredKind(property) === 'class');
  assert.deepEqual(
    classes.map(({ name }) => name),
    Object.keys(INSTANCES),
  );
  for (const property of classes) {
    const [signature] = typeOf(property).getConstructSignatures();
    const Class = addon[property.name];
    const instance = INSTANCES[property.name]();
    const members = without(actual(instance, Class.prototype), ['constructor']);
    assert.deepEqual(members, declared(signature.getReturnType()), property.name);
    // Static members would be declared next to `new`.
    assert.deepEqual(without(actual(Class), OF_EVERY_CLASS), declared(typeOf(property)), property.name);
    instance.close();
  }
});

test('what the functions return', () => {
  const session = newSession();
  session.start();
  busy(150);
  const [chunk] = session.close();
  const stats = session.stats();
  for (const [name, object] of Object.entries({
    ProfilerSupport: addon.support(),
    IsolateTime: addon.isolateTime(),
    SpanFunctions: session.spanFunctions(),
    SessionStats: stats,
    Chunk: chunk,
  })) {
    assert.deepEqual(actual(object), declared(typeNamed(name)), name);
  }
  const dropped = checker.getPropertyOfType(typeNamed('SessionStats'), 'dropped');
  assert.deepEqual(actual(stats.dropped), declared(typeOf(dropped)));
});
