// Random choices, repeatable by seed, and values of every kind.

'use strict';

/** Thrown by values whose getters throw, and by nothing else. */
class OnPurpose extends Error {}

function createRandom(seed) {
  let state = seed >>> 0;
  /** From 0, inclusive, to 1, exclusive. */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = count => Math.floor(next() * count);
  return {
    below,
    seed: () => below(4294967296),
    oneIn: count => below(count) === 0,
    of: values => values[below(values.length)],
  };
}

const throws = () => {
  throw new OnPurpose('on purpose');
};
const STRINGS = [
  ...['', 'a', 'title', 'manual', 'trace', '__proto__', 'zero\0inside', '\ud800', 'größe 🦀', '\ufffe'],
  'x'.repeat(70_000),
];
const NUMBERS = [
  ...[0, -0, 1, -1, 0.5, 2, 100, 60_000, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 63), 1e308, 5e-324],
  ...[NaN, Infinity, -Infinity],
];
const TRAPS = ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf'];
/** A proxy with this handler throws on every operation. */
const HANDLER = Object.fromEntries(TRAPS.map(trap => [trap, throws]));

/** Kinds of values; each function makes a new value. */
const KINDS = [
  () => undefined,
  () => null,
  random => random.oneIn(2),
  random => random.of(NUMBERS),
  random => random.of(NUMBERS),
  random => random.of(STRINGS),
  random => random.of(STRINGS),
  random => BigInt(random.below(9)) ** 40n,
  () => Symbol('symbol'),
  () => () => {},
  () => throws,
  () => class {},
  () => new Date(NaN),
  () => new Map([[1, 2]]),
  () => new String('boxed'),
  () => Object.create(null),
  () => ({ toString: throws, valueOf: throws, [Symbol.toPrimitive]: throws }),
  () => new Proxy({}, HANDLER),
  () => new Proxy(() => {}, { apply: throws, construct: throws }),
  () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  () => {
    const bytes = new Uint8Array(8);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    return bytes;
  },
  () => new SharedArrayBuffer(8),
  () => globalThis,
  () => Promise.resolve(),
  (random, depth) => Array.from({ length: random.below(4) }, () => anything(random, depth + 1)),
  (random, depth) => ({ [random.of(STRINGS)]: anything(random, depth + 1) }),
  (random, depth) => {
    const get = random.oneIn(2) ? throws : () => anything(random, depth + 1);
    return Object.defineProperty({}, random.of(STRINGS), { enumerable: true, get });
  },
];

function anything(random, depth = 0) {
  return depth > 3 ? undefined : random.of(KINDS)(random, depth);
}

/** The object with some properties replaced by random values, removed, or made getters that throw. */
function spoiled(random, object) {
  const result = { ...object };
  const key = random.of([...Object.keys(object), random.of(STRINGS)]);
  switch (random.below(4)) {
    case 0:
      delete result[key];
      break;
    case 1:
      Object.defineProperty(result, key, { enumerable: true, get: throws });
      break;
    default:
      Object.defineProperty(result, key, { enumerable: true, value: anything(random) });
  }
  return result;
}

module.exports = { OnPurpose, anything, createRandom, spoiled };
