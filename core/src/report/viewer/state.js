// The state of the view, which is kept in the address: a link, or a reload, shows the same.

export const usual = {
  thread: 0,
  mode: 'merged',
  fold: '',
  from: 0,
  to: 0,
  zoom: [0, 1],
  query: '',
  tab: 'functions',
  sort: '-self',
  picked: -1,
  unit: 'percent',
};

const ALLOWED = {
  mode: ['merged', 'time', 'callers'],
  fold: ['libraries', 'node', 'nothing'],
  tab: ['functions', 'packages', 'files'],
  unit: ['percent', 'second'],
};

const number = text => (Number.isFinite(Number(text)) ? Number(text) : 0);

/** Reads the state from an address. Invalid values are replaced by the defaults. */
export function parse(hash) {
  const state = { ...usual };
  for (const [name, value] of new URLSearchParams(hash.replace(/^#/, ''))) {
    if (name === 'zoom') {
      const [left, right] = value.split('~').map(number);
      if (left >= 0 && right > left && right <= 1) state.zoom = [left, right];
    } else if (ALLOWED[name]?.includes(value) || ['query', 'sort'].includes(name)) {
      state[name] = value;
    } else if (['thread', 'from', 'to', 'picked'].includes(name)) {
      state[name] = number(value);
    }
  }
  return state;
}

export function format(state) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(usual)) {
    if (name === 'zoom') {
      const [left, right] = state.zoom;
      if (left > 0 || right < 1) parts.set(name, `${left.toPrecision(6)}~${right.toPrecision(6)}`);
    } else if (state[name] !== value) {
      parts.set(name, typeof value === 'number' ? String(Math.round(state[name])) : state[name]);
    }
  }
  return `#${parts}`;
}
