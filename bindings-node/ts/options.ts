import { warnOnce } from './sentry';

/** Settings that few need to change. */
export interface ProfilingTuning {
  /** Length of a chunk, milliseconds: 100 to 60,000, the default and the most that Sentry is sure to accept. */
  chunkDurationMs?: number;
  /** How long an open chunk waits for the next span after the last has ended, milliseconds. Default 1,000. */
  quietMs?: number;
}

const TUNING = ['chunkDurationMs', 'quietMs'] as const;

/** @internal Warns of settings that do not exist. */
export function warnOfUnknown(tuning: object): void {
  for (const key of Object.keys(tuning ?? {})) {
    if (!TUNING.some(known => known === key)) {
      const hint = key.startsWith('profile') ? `; ${key} belongs in Sentry.init` : '';
      warnOnce(`nodeProfilingIntegration has no option ${key}. It takes ${TUNING.join(' and ')}${hint}.`);
    }
  }
}

/** @internal The settings that are set. The native add-on checks their ranges. */
export function numbers(tuning: ProfilingTuning): ProfilingTuning {
  const set = TUNING.map(key => [key, tuning?.[key] ?? undefined] as const).filter(([, value]) => value !== undefined);
  for (const [key, value] of set) {
    if (typeof value !== 'number') {
      throw new Error(`${key} must be a number of milliseconds, got ${show(value)}`);
    }
  }
  return Object.fromEntries(set);
}

/** @internal A value as an error message shows it. */
export function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (text(value) ?? typeof value);
}

/** @internal Accepts values other than strings as text, such as a number for a release. */
export function text(value: unknown): string | undefined {
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
}
