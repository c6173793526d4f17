import type { StackParser } from './sentry';

/**
 * Globals that bundler plugins (the first) and bundlers themselves set: a map from a stack, whose first line is the
 * file with the id, to the id. Anybody can write there, so it may be anything.
 */
interface DebugIdGlobals {
  _sentryDebugIds?: unknown;
  _debugIds?: unknown;
}

/** @internal Whether any file has a debug id. Called at each end of a trace; mostly there is none. */
export function haveDebugIds(): boolean {
  const { _sentryDebugIds: byPlugin, _debugIds: byBundler } = globalThis as DebugIdGlobals;
  return byPlugin !== undefined || byBundler !== undefined;
}

/** @internal The debug ids of the files loaded so far, by which Sentry finds their source maps. */
export class DebugIds {
  readonly #stackParser: StackParser;
  readonly #paths = new Map<string, string[]>();
  #sizes = '0,0';

  constructor(stackParser: StackParser) {
    this.#stackParser = stackParser;
  }

  /** A map from plain paths to debug ids if files were loaded since the last call, else `undefined`. */
  changes(): Record<string, string> | undefined {
    const { _sentryDebugIds: byPlugin, _debugIds: byBundler } = globalThis as DebugIdGlobals;
    const maps = [byPlugin, byBundler].map(ids => ids ?? {});
    const sizes = maps.map(ids => Object.keys(ids).length).join();
    if (sizes === this.#sizes) {
      return undefined;
    }
    this.#sizes = sizes;
    // Without a prototype, so that neither paths nor extensions of `Object.prototype` collide.
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
      // The first line of the stack is the file itself; the parser returns it last.
      return this.#stackParser(stack)
        .reverse()
        .find(frame => frame.filename)?.filename;
    } catch {
      // The parser is the user's. A stack that it cannot read must not affect the others.
      return undefined;
    }
  }
}

/** ES modules have URLs in stacks, of which the SDK only removes `file://`; profiles have plain paths. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
