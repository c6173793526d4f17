import type { SentryEvent, StreamedSpan } from './sentry';

/** @internal Links a span to the samples of its thread. */
export interface ThreadData {
  'thread.id': string;
  'thread.name': string;
}

/** @internal Links an event to its profile. */
export function linkEvent(event: SentryEvent, profilerId: string): void {
  event.contexts = { ...event.contexts, profile: { profiler_id: profilerId, ...event.contexts?.profile } };
}

/** @internal Links an event, and each span of a transaction, to the samples of its thread. */
export function nameThread(event: SentryEvent, threadData: ThreadData): void {
  const { contexts } = event;
  if (contexts?.profile) {
    contexts.trace = { ...contexts.trace, data: { ...contexts.trace?.data, ...threadData } };
    for (const span of event.spans ?? []) {
      span.data = { ...span.data, ...threadData };
    }
  }
}

/** @internal The same for a span that is sent on its own. */
export function linkStreamedSpan(span: StreamedSpan, link: Array<[string, string]>): void {
  // In place, because copying a span's attributes takes longer than everything else here.
  const attributes = (span.attributes ??= {});
  for (const [key, value] of link) {
    attributes[key] ??= value;
  }
}
