import type { StackParser } from './sentry';

/**
 * What bundler plugins (the first) and bundlers themselves leave behind: a stack whose first line is the file that
 * carries the id → the id. Anybody can write there, so it may be anything.
 */
interface DebugIdGlobals {
  _sentryDebugIds?: unknown;
  _debugIds?: unknown;
}

/** @internal Whether any file has a debug id. Asked at each end of a trace, and of most programs the answer is no. */
export function haveDebugIds(): boolean {
  const { _sentryDebugIds: byPlugin, _debugIds: byBundler } = globalThis as DebugIdGlobals;
  return byPlugin !== undefined || byBundler !== undefined;
}

/** @internal The debug ids of the files that are loaded so far, by which Sentry finds their source maps. */
export class DebugIds {
  readonly #stackParser: StackParser;
  readonly #paths = new Map<string, string[]>();
  #sizes = '0,0';

  constructor(stackParser: StackParser) {
    this.#stackParser = stackParser;
  }

  /** Plain path → debug id when files have come since the last call, else `undefined`. */
  changes(): Record<string, string> | undefined {
    const { _sentryDebugIds: byPlugin, _debugIds: byBundler } = globalThis as DebugIdGlobals;
    const maps = [byPlugin, byBundler].map(ids => ids ?? {});
    const sizes = maps.map(ids => Object.keys(ids).length).join();
    if (sizes === this.#sizes) {
      return undefined;
    }
    this.#sizes = sizes;
    // Without a prototype: whatever a path is called, and whatever others put on `Object.prototype`.
    const ids: Record<string, string> = Object.create(null);
    for (const [stack, id] of maps.flatMap(ids => Object.entries(ids))) {
      for (const path of typeof id === 'string' ? this.#pathsOf(stack) : []) {
        ids[path] = id;
      }
    }
    return ids;
  }

  #pathsOf(stack: string): string[] {
    let paths = this.#paths.get(stack);
    if (!paths) {
      const file = this.#fileOf(stack);
      paths = typeof file === 'string' ? [file, decoded(file)] : [];
      this.#paths.set(stack, paths);
    }
    return paths;
  }

  #fileOf(stack: string): unknown {
    try {
      // The parser puts the line that comes first in the stack, the file itself, last.
      return this.#stackParser(stack)
        .reverse()
        .find(frame => frame.filename)?.filename;
    } catch {
      // It is the user's, and one stack that it cannot read must not cost the others their ids.
      return undefined;
    }
  }
}

/** ES modules stand in a stack by URL, of which the SDK only cuts off `file://`; profiles have plain paths. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
