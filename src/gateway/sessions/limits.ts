/** Times in milliseconds. */
export interface SessionLimits {
  /** Sessions of one subject; one more ends the one that was used least recently. */
  readonly perSubject: number;
  /** Sessions of all subjects. */
  readonly total: number;
  /** Without a request, a call in flight or an open stream. */
  readonly idle: number;
  /** How long a session whose token has ended waits for its client to come back with a new one. */
  readonly renewal: number;
  /** Calls in flight in one session. */
  readonly calls: number;
  /** Requests to the client, in one session, that wait for its response. */
  readonly asks: number;
  readonly askTimeout: number;
  /** Events that one session keeps for a client that comes back, and their bytes. */
  readonly events: number;
  readonly bytes: number;
  /** Bytes of kept events, all sessions together. */
  readonly totalBytes: number;
}

export const LIMITS: SessionLimits = {
  perSubject: 64,
  total: 10_000,
  idle: 30 * 60_000,
  renewal: 5 * 60_000,
  calls: 128,
  asks: 16,
  askTimeout: 5 * 60_000,
  events: 256,
  bytes: 5 * 1024 * 1024,
  totalBytes: 64 * 1024 * 1024,
};
