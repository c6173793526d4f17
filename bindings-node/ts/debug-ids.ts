import type { StackParser } from './sentry';

/** What bundler plugins leave behind: a stack whose first line is the file that carries the id → the id. */
interface DebugIdGlobals {
  _sentryDebugIds?: Record<string, string>;
  /** The same, written by bundlers themselves. */
  _debugIds?: Record<string, string>;
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
    const { _sentryDebugIds: byPlugin = {}, _debugIds: byBundler = {} } = globalThis as DebugIdGlobals;
    const sizes = `${Object.keys(byPlugin).length},${Object.keys(byBundler).length}`;
    if (sizes === this.#sizes) {
      return undefined;
    }
    this.#sizes = sizes;
    const ids: Record<string, string> = {};
    for (const [stack, id] of [...Object.entries(byPlugin), ...Object.entries(byBundler)]) {
      for (const path of this.#pathsOf(stack)) {
        ids[path] = id;
      }
    }
    return ids;
  }

  #pathsOf(stack: string): string[] {
    let paths = this.#paths.get(stack);
    if (!paths) {
      // The parser puts the line that comes first in the stack, the file itself, last.
      const file = this.#stackParser(stack).reverse().find(frame => frame.filename)?.filename;
      paths = file === undefined ? [] : [file, decoded(file)];
      this.#paths.set(stack, paths);
    }
    return paths;
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
