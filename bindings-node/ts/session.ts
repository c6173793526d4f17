import type { Chunk, Outcome, Session, SessionOptions, SpanFunctions } from './addon';
import { DebugIds, haveDebugIds } from './debug-ids';
import { linkEvent, linkStreamedSpan, nameThread } from './linking';
import type { ThreadData } from './linking';
import { loadAddon } from './loader';
import { text } from './options';
import type { ProfilingTuning } from './options';
import { chunkEnvelope, currentScopes, debugLog, guarded, messageOf, sentence, warnOnce } from './sentry';
import type { SentryClient, SentryScope, Span } from './sentry';
import { currentThread } from './thread';

/** How long `Sentry.flush()` and `close()` may wait for a chunk to be encoded. It takes milliseconds. */
const ENCODE_TIMEOUT_MS = 2_000;

/** The profilers of this thread that may record: one for each client in use. */
const active = new Set<SessionProfiler>();

/** One listener for all profilers; it is registered while there are any. */
const onBeforeExit = guarded(() => active.forEach(profiler => profiler.finish()));

/** @internal Closes the profilers of clients that another client has replaced. */
export function closeReplaced(): void {
  // After a second `Sentry.init` in the same scope, the first client is not used any more. A client with its own
  // scope, or without one, is in use until it is closed.
  active.forEach(profiler => profiler.isReplaced() && profiler.close());
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

/** @internal Connects one native session with one client: calls it from the SDK's hooks and sends its chunks. */
export class SessionProfiler {
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

  constructor(client: SentryClient, options: ProfilingTuning & Pick<SessionOptions, 'lifecycle'>) {
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
        // The integration has decided that it is sampled.
        sampleRate: 1,
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
