/** Times in milliseconds. */
export interface TaskLimits {
  /** Tasks that are kept for one subject, and how many of them may run. */
  readonly perSubject: number;
  readonly running: number;
  /** Bytes that are kept for one subject: arguments and results. */
  readonly bytes: number;
  /** Tasks and bytes of all subjects. */
  readonly total: number;
  readonly totalBytes: number;
  /** For how long a task is kept, from its beginning: at least, at most, and where the client does not say. */
  readonly minTtl: number;
  readonly maxTtl: number;
  readonly ttl: number;
  /** How long a question of the server waits for its client to ask for the task's result. */
  readonly askTimeout: number;
  /** What a client is told to wait between two looks at a task. */
  readonly pollInterval: number;
}

export const LIMITS: TaskLimits = {
  perSubject: 64,
  running: 16,
  bytes: 8 * 1024 * 1024,
  total: 2048,
  totalBytes: 128 * 1024 * 1024,
  minTtl: 1000,
  maxTtl: 60 * 60_000,
  ttl: 10 * 60_000,
  askTimeout: 5 * 60_000,
  pollInterval: 500,
};
