import { loadRecorder } from './loader';
import { numbers, show, warnOfUnknown } from './options';
import type { ProfilingTuning } from './options';
import { currentScopes, debugLog, guarded, messageOf, sentence, warnOnce } from './sentry';
import type { SentryClient } from './sentry';
import { SessionProfiler, closeReplaced } from './session';

/** An integration of the Sentry SDK (10 and 11) that profiles the thread it is set up on. */
export interface ProfilingIntegration {
  name: 'ProfilingIntegration';
  /** Called by the SDK. */
  setup(client: object): void;
  /** What `Sentry.profiler.startProfiler()` and `stopProfiler()` call. */
  _profiler: { start(): void; stop(): void };
}

/**
 * Profiles the service and sends the profiles to Sentry.
 *
 * It follows the options of `Sentry.init`: `profileSessionSampleRate` (0 to 1, default 0), decided once, and
 * `profileLifecycle`. `'manual'` (default) profiles between `Sentry.profiler.startProfiler()` and `stopProfiler()`,
 * `'trace'` while a sampled span is active.
 */
export function nodeProfilingIntegration(tuning: ProfilingTuning = {}): ProfilingIntegration {
  // Clients may share an integration.
  const profilers = new WeakMap<object, Profiler>();
  let latest: Profiler | undefined;
  const current = () => {
    const ofScopes = currentScopes().map(scope => profilers.get(scope.getClient() as object));
    return ofScopes.find(Boolean) ?? latest;
  };
  return {
    name: 'ProfilingIntegration',
    setup: guarded(client => {
      latest = attach(client as SentryClient, tuning);
      profilers.set(client, latest);
    }),
    _profiler: {
      start: guarded(() => current()?.start()),
      stop: guarded(() => current()?.stop()),
    },
  };
}

/** What profiles a client's thread. */
type Profiler = Pick<SessionProfiler, 'start' | 'stop'>;

/** The profiler of a client that profiles nothing. */
function off(client: SentryClient, why: string, warnAtStart?: string): Profiler {
  debugLog(client, `Profiling is off: ${why}.`);
  const stop = () => debugLog(client, `No-op: profiling is off, ${why}.`);
  const start = () => {
    if (warnAtStart) {
      warnOnce(warnAtStart);
    }
    stop();
  };
  return { start, stop };
}

function attach(client: SentryClient, tuning: ProfilingTuning): Profiler {
  closeReplaced();
  try {
    return profilerFor(client, tuning);
  } catch (error) {
    warnOnce(`${sentence(messageOf(error))} Profiling is off.`);
    return off(client, 'the profiler is unavailable');
  }
}

function profilerFor(client: SentryClient, tuning: ProfilingTuning): Profiler {
  const options = client.getOptions();
  if (options.profilesSampleRate !== undefined || options.profilesSampler !== undefined) {
    warnOnce(
      'The options profilesSampleRate and profilesSampler belong to transaction profiling, which is retired, and are ignored. ' +
        "Use profileSessionSampleRate with profileLifecycle: 'trace' instead.",
    );
  }
  warnOfUnknown(tuning);
  const lifecycle = options.profileLifecycle ?? 'manual';
  if (lifecycle !== 'manual' && lifecycle !== 'trace') {
    warnOnce(`profileLifecycle must be 'manual' or 'trace', got ${show(lifecycle)}. Profiling is off.`);
    return off(client, 'profileLifecycle is unknown');
  }
  const sampleRate = options.profileSessionSampleRate ?? 0;
  if (typeof sampleRate !== 'number' || !(sampleRate >= 0 && sampleRate <= 1)) {
    warnOnce(`profileSessionSampleRate must be a number from 0 to 1, got ${show(sampleRate)}. Profiling is off.`);
    return off(client, 'profileSessionSampleRate is invalid');
  }
  // V8's profiler takes 10 to 50 ms to create, so only create it if it may be needed.
  if (sampleRate === 0) {
    return off(
      client,
      'profileSessionSampleRate is 0, so the session is not sampled',
      'Sentry.profiler.startProfiler() does nothing: profileSessionSampleRate is 0 or not set, so nothing is ' +
        'profiled. Set it in Sentry.init, to 1 to profile every process.',
    );
  }
  if (!client.getTransport()) {
    return off(client, 'the client has no transport, which takes a DSN');
  }
  if (lifecycle === 'trace' && (options.tracesSampleRate ?? options.tracesSampler ?? undefined) === undefined) {
    warnOnce(
      "profileLifecycle is 'trace', but tracing is off, so there are no spans and nothing is profiled. " +
        "Set tracesSampleRate or tracesSampler in Sentry.init, or use profileLifecycle: 'manual'.",
    );
  }
  if (Math.random() >= sampleRate) {
    return off(client, 'the session is not sampled');
  }
  const { supported, reason } = loadRecorder().support();
  if (!supported) {
    warnOnce(`${sentence(`This process cannot be profiled: ${reason}`)} Profiling is off.`);
    return off(client, 'V8 cannot be profiled here');
  }
  const profiler = new SessionProfiler(client, { ...numbers(tuning), lifecycle });
  profiler.attach();
  return profiler;
}
