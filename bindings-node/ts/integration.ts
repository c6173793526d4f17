import type { Chunk, Outcome, Session, SessionOptions, SpanFunctions } from './addon';
import { DebugIds, haveDebugIds } from './debug-ids';
import { loadAddon, loadRecorder } from './loader';
import { chunkEnvelope, currentScopes, debugLog, messageOf, sentence, warnOnce } from './sentry';
import type { SentryClient, SentryEvent, SentryScope, Span, StreamedSpan } from './sentry';
import { currentThread } from './thread';

/** An integration of the Sentry SDK (10 and 11) that profiles the thread it is set up on. */
export interface ProfilingIntegration {
  name: 'ProfilingIntegration';
  /** Called by the SDK. */
  setup(client: object): void;
  /** What `Sentry.profiler.startProfiler()` and `stopProfiler()` call. */
  _profiler: { start(): void; stop(): void };
}

/** Settings that few need to change. */
export interface ProfilingTuning {
  /** Length of a chunk, milliseconds: 100 to 60,000, the default and the most that Sentry is sure to accept. */
  chunkDurationMs?: number;
  /** How long an open chunk waits for the next span after the last has ended, milliseconds. Default 1,000. */
  quietMs?: number;
}

/** How long `Sentry.flush()` and `close()` may wait for a chunk to be encoded. It takes milliseconds. */
const ENCODE_TIMEOUT_MS = 2_000;

/** Links a span to the samples of its thread. */
interface ThreadData {
  'thread.id': string;
  'thread.name': string;
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

/** Wraps a function that the SDK or the service calls: a failure in it must not reach the service. */
function guarded<Arguments extends unknown[]>(hook: (...args: Arguments) => void): (...args: Arguments) => void {
  return (...args) => {
    try {
      hook(...args);
    } catch (error) {
      warnOnce(sentence(`The profiler failed in a hook of the SDK: ${messageOf(error)}`));
    }
  };
}

interface Profiler {
  start(): void;
  stop(): void;
}

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

/** The profilers of this thread that may record: one for each client in use. */
const active = new Set<SessionProfiler>();

/** One listener for all profilers; it is registered while there are any. */
const onBeforeExit = guarded(() => active.forEach(profiler => profiler.finish()));

function attach(client: SentryClient, tuning: ProfilingTuning): Profiler {
  // After a second `Sentry.init` in the same scope, the first client is not used any more. A client with its own
  // scope, or without one, is in use until it is closed.
  active.forEach(profiler => profiler.isReplaced() && profiler.close());
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
  // V8's profiler takes 10 to 20 ms to create, so only create it if it may be needed.
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
  const { supported, reason } = loadRecorder().support();
  if (!supported) {
    warnOnce(`${sentence(`This process cannot be profiled: ${reason}`)} Profiling is off.`);
    return off(client, 'V8 cannot be profiled here');
  }
  const profiler = new SessionProfiler(client, { ...numbers(tuning), lifecycle, sampleRate });
  if (!profiler.sampled) {
    profiler.close();
    return off(client, 'the session is not sampled');
  }
  profiler.attach();
  return profiler;
}

const TUNING = ['chunkDurationMs', 'quietMs'] as const;

function warnOfUnknown(tuning: object): void {
  for (const key of Object.keys(tuning ?? {})) {
    if (!TUNING.some(known => known === key)) {
      const hint = key.startsWith('profile') ? `; ${key} belongs in Sentry.init` : '';
      warnOnce(`nodeProfilingIntegration has no option ${key}. It takes ${TUNING.join(' and ')}${hint}.`);
    }
  }
}

/** The settings that are set. The native add-on checks their ranges. */
function numbers(tuning: ProfilingTuning): ProfilingTuning {
  const set = TUNING.map(key => [key, tuning?.[key] ?? undefined] as const).filter(([, value]) => value !== undefined);
  for (const [key, value] of set) {
    if (typeof value !== 'number') {
      throw new Error(`${key} must be a number of milliseconds, got ${show(value)}`);
    }
  }
  return Object.fromEntries(set);
}

/** Log messages for dropped data. */
const DROPPED = {
  tooShort: 'Profile chunks dropped that have fewer than two samples',
  overflow: 'Profile chunks dropped because too many waited to be sent',
  slices: 'Slices of a profile dropped because too many waited to be encoded',
};

/** Log messages for calls that do nothing. */
const NO_OPS: Partial<Record<Outcome, string>> = {
  'already-running': 'No-op: the profiler is already running.',
  'not-running': 'No-op: the profiler is not running.',
  'trace-lifecycle':
    "No-op: with profileLifecycle: 'trace', spans start and stop the profiler; manual calls are ignored.",
  'no-thread': 'The system cannot create a thread for the profiler, which will try again.',
  closed: 'No-op: this client is closed, or another Sentry.init took its place.',
};

/** Connects one native session with one client: calls it from the SDK's hooks and sends its chunks. */
class SessionProfiler implements Profiler {
  readonly #client: SentryClient;
  /** The scope in which the client was the current one when it was set up, if any. */
  readonly #scope: SentryScope | undefined;
  readonly #session: Session;
  readonly #lifecycle: 'manual' | 'trace';
  readonly #threadData: ThreadData;
  readonly #debugIds: DebugIds | undefined;
  readonly #unsubscribes: Array<() => void> = [];
  /** The active spans. Only the start of the first and the end of the last are reported to the session. */
  #spans = new WeakSet<Span>();
  #spanCount = 0;
  readonly #tell: SpanFunctions;
  readonly #dropped = { tooShort: 0, overflow: 0, slices: 0 };

  constructor(client: SentryClient, options: ProfilingTuning & Pick<SessionOptions, 'lifecycle' | 'sampleRate'>) {
    const { release, environment, stackParser } = client.getOptions();
    const sdk = client.getSdkMetadata()?.sdk;
    const thread = currentThread();
    this.#client = client;
    this.#scope = currentScopes().find(scope => scope.getClient() === client);
    this.#threadData = { 'thread.id': String(thread.id), 'thread.name': thread.name };
    this.#lifecycle = options.lifecycle;
    this.#debugIds = stackParser && new DebugIds(stackParser);
    const { Session, takeWarnings } = loadAddon();
    this.#session = new Session(
      {
        ...options,
        threadId: this.#threadData['thread.id'],
        threadName: this.#threadData['thread.name'],
        sdkName: sdk?.name,
        sdkVersion: sdk?.version,
        release: text(release),
        // The default of the SDK's events, so that the same filter finds both.
        environment: text(environment) || 'production',
      },
      guarded(() => {
        takeWarnings().forEach(warning => warnOnce(sentence(warning)));
        this.#deliver(session => session.poll());
      }),
    );
    this.#tell = this.#session.spanFunctions();
  }

  get sampled(): boolean {
    return this.#session.sampled;
  }

  /** Whether another client has replaced this one in its scope. */
  isReplaced(): boolean {
    return this.#scope !== undefined && this.#scope.getClient() !== this.#client;
  }

  /** Registers the client's hooks and becomes active. */
  attach(): void {
    if (active.size === 0) {
      process.on('beforeExit', onBeforeExit);
    }
    active.add(this);
    const client = this.#client;
    const { profilerId } = this.#session;
    const link = Object.entries({ 'sentry.profiler_id': profilerId, ...this.#threadData });
    this.#unsubscribes.push(
      client.on(
        'preprocessEvent',
        guarded(event => linkEvent(event, profilerId)),
      ),
      client.on(
        'beforeSendEvent',
        guarded(event => nameThread(event, this.#threadData)),
      ),
      client.on(
        'processSpan',
        guarded(span => linkStreamedSpan(span, link)),
      ),
      client.on(
        'flush',
        guarded(() => this.#deliver(session => session.flush(ENCODE_TIMEOUT_MS))),
      ),
      client.on(
        'close',
        guarded(() => this.close()),
      ),
    );
    if (this.#lifecycle === 'trace') {
      this.#unsubscribes.push(
        client.on(
          'spanStart',
          guarded(span => this.#spanStarted(span)),
        ),
        client.on(
          'spanEnd',
          guarded(span => this.#spanEnded(span)),
        ),
      );
    }
    // A client that is disposed of emits no `close`.
    client.registerCleanup?.(guarded(() => this.close()));
    this.#refreshDebugIds();
    debugLog(client, `Profiling is ready, lifecycle ${this.#lifecycle}, profiler ${profilerId}.`);
  }

  start(): void {
    if (this.#lifecycle === 'trace') {
      warnOnce(
        "Sentry.profiler.startProfiler() does nothing: with profileLifecycle: 'trace', spans start and stop the " +
          "profiler. Use profileLifecycle: 'manual' to start it yourself.",
      );
    }
    this.#refreshDebugIds();
    this.#say(this.#call(session => session.start()));
  }

  stop(): void {
    this.#refreshDebugIds();
    this.#say(this.#call(session => session.stop()));
  }

  /** Called when the process is about to end: sends the current recording. The next span or start records again. */
  finish(): void {
    this.#forgetSpans();
    this.#deliver(session => session.finish());
  }

  /** Sends the current recording and never records again. */
  close(): void {
    this.#detach();
    this.#deliver(session => session.close());
  }

  #detach(): void {
    for (const unsubscribe of this.#unsubscribes.splice(0)) {
      unsubscribe();
    }
    if (active.delete(this) && active.size === 0) {
      process.off('beforeExit', onBeforeExit);
    }
    this.#forgetSpans();
  }

  #spanStarted(span: Span): void {
    // Spans that are not sampled, such as those of the SDK's own requests, are not sent, and some report no end.
    if (!span.isRecording()) {
      return;
    }
    this.#spans.add(span);
    this.#spanCount += 1;
    if (this.#spanCount === 1) {
      this.#call(this.#tell.started);
    }
  }

  /** The SDK reports the end of a span to the current client, which may not be the one that got its start. */
  #spanEnded(span: Span): void {
    for (const profiler of active) {
      if (profiler.#spans.delete(span)) {
        profiler.#ownSpanEnded();
        return;
      }
    }
  }

  #ownSpanEnded(): void {
    this.#spanCount -= 1;
    if (this.#spanCount === 0) {
      this.#refreshDebugIds();
      this.#call(this.#tell.ended);
    }
  }

  #forgetSpans(): void {
    this.#spans = new WeakSet();
    if (this.#spanCount > 0) {
      this.#spanCount = 0;
      this.#call(this.#tell.ended);
    }
  }

  #refreshDebugIds(): void {
    try {
      const ids = haveDebugIds() && this.#debugIds?.changes();
      if (ids) {
        this.#call(session => session.setDebugIds(ids));
      }
    } catch (error) {
      // A profile without source maps is better than none.
      warnOnce(sentence(`The debug ids of the loaded files cannot be read: ${messageOf(error)}`));
    }
  }

  /** Sends finished chunks synchronously, because `Sentry.flush()` only waits for what the transport holds by then. */
  #deliver(take: (session: Session) => Chunk[]): void {
    // The chunk that is about to be encoded needs the ids of files that were loaded since the last time.
    this.#refreshDebugIds();
    for (const chunk of this.#call(take) ?? []) {
      void this.#send(chunk);
    }
    this.#reportDropped();
  }

  async #send({ chunkId, payload, sampleCount }: Chunk): Promise<void> {
    const client = this.#client;
    debugLog(client, `Sending profile chunk ${chunkId}: ${sampleCount} samples, ${payload.byteLength} bytes.`);
    try {
      await client.getTransport()?.send(chunkEnvelope(client, chunkId, payload));
    } catch (error) {
      debugLog(client, `Profile chunk ${chunkId} could not be sent: ${messageOf(error)}`);
    }
  }

  /** Logs what the core dropped, and counts chunks that overflowed in the SDK's client reports to Sentry. */
  #reportDropped(): void {
    const dropped = this.#call(session => session.stats())?.dropped;
    for (const reason of ['tooShort', 'overflow', 'slices'] as const) {
      const news = (dropped?.[reason] ?? 0) - this.#dropped[reason];
      if (news > 0) {
        this.#dropped[reason] += news;
        debugLog(this.#client, `${DROPPED[reason]}: ${news}.`);
        if (reason === 'overflow') {
          this.#client.recordDroppedEvent('queue_overflow', 'profile', news);
        }
      }
    }
  }

  #say(outcome: Outcome | undefined): void {
    if (outcome !== undefined) {
      debugLog(this.#client, NO_OPS[outcome] ?? `The profiler has ${outcome}.`);
    }
  }

  /** Calls the session. A failure must not reach the service, whose spans and flushes lead here. */
  #call<T>(call: (session: Session) => T): T | undefined {
    try {
      return call(this.#session);
    } catch (error) {
      this.#detach();
      warnOnce(sentence(`The profiler failed and is off now: ${messageOf(error)}`));
      try {
        this.#session.close();
      } catch {
        // The first failure is the one that matters.
      }
      return undefined;
    }
  }
}

/** Links an event to its profile. */
function linkEvent(event: SentryEvent, profilerId: string): void {
  event.contexts = { ...event.contexts, profile: { profiler_id: profilerId, ...event.contexts?.profile } };
}

/** Links an event, and each span of a transaction, to the samples of its thread. */
function nameThread(event: SentryEvent, threadData: ThreadData): void {
  const { contexts } = event;
  if (contexts?.profile) {
    contexts.trace = { ...contexts.trace, data: { ...contexts.trace?.data, ...threadData } };
    for (const span of event.spans ?? []) {
      span.data = { ...span.data, ...threadData };
    }
  }
}

/** The same for a span that is sent on its own. */
function linkStreamedSpan(span: StreamedSpan, link: Array<[string, string]>): void {
  // In place, because copying a span's attributes takes longer than everything else here.
  const attributes = (span.attributes ??= {});
  for (const [key, value] of link) {
    attributes[key] ??= value;
  }
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (text(value) ?? typeof value);
}

/** Accepts values other than strings as text, such as a number for a release. */
function text(value: unknown): string | undefined {
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
}
