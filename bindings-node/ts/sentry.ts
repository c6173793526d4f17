// The parts of the Sentry SDK that the integration needs. They are declared here instead of imported, so that one
// build works with SDK 10 and 11, and loading this package does not load the SDK.

/** @internal The SDK's client. */
export interface SentryClient {
  getOptions(): SentryOptions;
  getSdkMetadata(): { sdk?: { name?: string; version?: string } } | undefined;
  getDsn(): Dsn | undefined;
  getTransport(): Transport | undefined;
  /** Counts data that was not sent, for the SDK's client reports. */
  recordDroppedEvent(reason: string, category: string, count?: number): void;
  /** Registers a hook and returns a function that removes it. */
  on(hook: 'spanStart' | 'spanEnd', callback: (span: Span) => void): () => void;
  on(hook: 'preprocessEvent' | 'beforeSendEvent', callback: (event: SentryEvent) => void): () => void;
  on(hook: 'processSpan', callback: (span: StreamedSpan) => void): () => void;
  on(hook: 'flush' | 'close', callback: () => void): () => void;
  /** Registers a function for `dispose()`; newer SDKs only. */
  registerCleanup?(callback: () => void): void;
}

/** @internal The options of `Sentry.init` that matter here. Users write them, so they may be anything. */
export interface SentryOptions {
  profileSessionSampleRate?: unknown;
  profileLifecycle?: unknown;
  /** Options of transaction profiling, which SDK 10 still had. */
  profilesSampleRate?: unknown;
  profilesSampler?: unknown;
  tracesSampleRate?: unknown;
  tracesSampler?: unknown;
  debug?: boolean;
  release?: unknown;
  environment?: unknown;
  tunnel?: string;
  stackParser?: StackParser;
}

/** @internal */
export type StackParser = (stack: string) => Array<{ filename?: string }>;

/** @internal */
export interface Span {
  isRecording(): boolean;
}

/** @internal A span that is sent on its own (SDK 11's default). */
export interface StreamedSpan {
  attributes?: Record<string, unknown>;
}

/** @internal An event or a transaction. */
export interface SentryEvent {
  contexts?: {
    profile?: { profiler_id?: string };
    trace?: { data?: Record<string, unknown> };
  };
  /** A transaction's children. */
  spans?: Array<{ data?: Record<string, unknown> }>;
}

interface Dsn {
  protocol: string;
  publicKey?: string;
  host: string;
  port?: string;
  path?: string;
  projectId: string;
}

interface Transport {
  send(envelope: unknown): PromiseLike<unknown>;
}

/** @internal The envelope of a chunk. Its payload is bytes, which the SDK's serializer leaves unchanged. */
export function chunkEnvelope(client: SentryClient, chunkId: string, payload: Uint8Array): unknown {
  const sdk = client.getSdkMetadata()?.sdk;
  const dsn = client.getOptions().tunnel ? client.getDsn() : undefined;
  const header = {
    event_id: chunkId,
    sent_at: new Date().toISOString(),
    ...(sdk && { sdk: { name: sdk.name, version: sdk.version } }),
    // A tunnel needs it to forward the envelope.
    ...(dsn && { dsn: dsnToString(dsn) }),
  };
  return [header, [[{ type: 'profile_chunk', platform: 'node' }, payload]]];
}

function dsnToString({ protocol, publicKey, host, port, path, projectId }: Dsn): string {
  return `${protocol}://${publicKey}@${host}${port ? `:${port}` : ''}/${path ? `${path}/` : ''}${projectId}`;
}

/** @internal A scope of the SDK. */
export interface SentryScope {
  getClient(): unknown;
}

/** The global state of one loaded version of the SDK, as far as it matters here. */
interface Carrier {
  acs?: { getCurrentScope(): SentryScope };
  stack?: { getScope(): SentryScope };
  defaultCurrentScope?: SentryScope;
}

/** @internal The current scope of each loaded version of the SDK, which has its current client. */
export function currentScopes(): SentryScope[] {
  const { __SENTRY__: versions } = globalThis as { __SENTRY__?: Record<string, Carrier | string> };
  return Object.values(versions ?? {}).flatMap(carrier => {
    if (typeof carrier !== 'object') {
      return [];
    }
    return carrier.acs?.getCurrentScope() ?? carrier.stack?.getScope() ?? carrier.defaultCurrentScope ?? [];
  });
}

/** A function that the SDK has wrapped. */
interface Wrapped {
  __sentry_original__?: typeof console.log;
}

/**
 * Writes to the console with the original function under the SDK's wrapper, as the SDK itself does. Otherwise
 * integrations would send the line to Sentry as output of the service.
 */
function write(level: 'log' | 'warn', line: string): void {
  let method = console[level];
  for (let original; (original = (method as Wrapped).__sentry_original__); method = original);
  method.call(console, line);
}

/** @internal Logs what the profiler does if `debug: true` is set, in the format of the SDK's own lines. */
export function debugLog(client: SentryClient, message: string): void {
  if (client.getOptions().debug) {
    write('log', `Sentry Logger [log]: [Profiling] ${message}`);
  }
}

const warned = new Set<string>();

/** @internal Warns once of what is wrong and what to do about it. */
export function warnOnce(message: string): void {
  if (!warned.has(message)) {
    warned.add(message);
    write('warn', `[Sentry] [Profiling] ${message}`);
  }
}

/** @internal */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'unknown error';
  }
}

/** @internal Ends a message with a full stop if it has none. */
export function sentence(message: string): string {
  return message.endsWith('.') ? message : `${message}.`;
}

/** @internal Wraps a function that the SDK or the service calls: a failure in it must not reach the service. */
export function guarded<Arguments extends unknown[]>(hook: (...args: Arguments) => void): (...args: Arguments) => void {
  return (...args) => {
    try {
      hook(...args);
    } catch (error) {
      warnOnce(sentence(`The profiler failed in a hook of the SDK: ${messageOf(error)}`));
    }
  };
}
