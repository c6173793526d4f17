/** The environment variable that has the settings of a recording. */
export const SETTINGS = 'SENTRY_PROFILER_RECORD';

/** What `record` tells the processes that it records. */
export interface RecordSettings {
  /** Where their journals belong. */
  dir: string;
  intervalUs?: number | undefined;
  children: boolean;
  workers: boolean;
  delayMs: number;
  /** 0: until the end. */
  durationMs: number;
  /** Whether the port that the program listens on is asked for. */
  port: boolean;
}
