/** The environment variable that has the settings of a recording. */
export const SETTINGS = 'SENTRY_PROFILER_RECORD';

/** What `record` tells the processes that it records. */
export interface RecordSettings {
  /** Where their journals belong. */
  dir: string;
  intervalUs?: number | undefined;
  children: boolean;
  workers: boolean;
  /** When they begin to record and when they no longer do, of `Date.now()`, where that is not at once and at the end. */
  fromMs?: number | undefined;
  untilMs?: number | undefined;
  /** Whether the port that the program listens on is asked for. */
  port: boolean;
}
