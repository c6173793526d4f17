/** @internal The JavaScript thread that this runs on, as samples and events name it. */
export function currentThread(): { id: number; name: 'main' | 'worker' } {
  // Loading this module takes longer than all of this package, so it waits until it is needed.
  const { isMainThread, threadId } = require('node:worker_threads') as typeof import('node:worker_threads');
  return { id: threadId, name: isMainThread ? 'main' : 'worker' };
}
