import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { INGEST } from './environment.mjs';

/** Starts an ingest for a test and stops it after the test. */
export async function startIngest(t) {
  const process = spawn(INGEST, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(async () => {
    process.stdin.end();
    if (process.exitCode === null) {
      await once(process, 'exit');
    }
  });
  const [line] = await once(createInterface(process.stdout), 'line');
  return new Ingest(JSON.parse(line));
}

class Ingest {
  constructor({ dsn, url }) {
    this.dsn = dsn;
    this.url = url;
  }

  /**
   * All items so far, each with its envelope's header and the time of its arrival in Unix milliseconds. Every chunk
   * must be valid.
   */
  async items() {
    const response = await fetch(`${this.url}/received`);
    const { envelopes } = await response.json();
    const items = envelopes.flatMap(({ header, received_at_ms: receivedAt, items }) =>
      items.map(item => ({ ...item, envelope: header, receivedAt })),
    );
    for (const { header, violations } of items) {
      if (header.type === 'profile_chunk') {
        assert.deepEqual(violations, [], 'a chunk breaks the rules of the ingest');
      }
    }
    return items;
  }

  /** The payloads of all items of a type. */
  async payloads(type) {
    const items = await this.items();
    return items.filter(({ header }) => header.type === type).map(({ payload }) => payload);
  }

  chunks() {
    return this.payloads('profile_chunk');
  }

  async reset() {
    await fetch(`${this.url}/reset`, { method: 'POST' });
  }
}
