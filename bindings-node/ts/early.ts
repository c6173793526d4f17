// Makes V8's profiler now, as the first thing of a process: `node --import sentry-profiler-node/early`. V8 lists all
// functions that exist by then, and each module that is loaded before adds to that.

import { loadRecorder } from './loader';

try {
  loadRecorder().prepare();
} catch {
  // The integration, or the first recording, says why there is no profiler.
}
