/** Bounds on what is kept of answers that were too large. */
export interface RemainderLimits {
  /** Answers of one subject whose rest is kept, and the bytes of those; beyond them its oldest give way. */
  readonly perSubject: number;
  readonly bytes: number;
  /** Of all subjects. Beyond them a rest is not kept, and the answer says so: nobody's makes another's give way. */
  readonly total: number;
  readonly totalBytes: number;
  /** Milliseconds for which a rest can be read. */
  readonly ttl: number;
}

export const LIMITS: RemainderLimits = {
  perSubject: 16,
  bytes: 16 * 1024 * 1024,
  total: 1024,
  totalBytes: 128 * 1024 * 1024,
  ttl: 10 * 60_000,
};

/** Bytes of one piece: what a model can take in at once. */
export const PIECE = 64 * 1024;

/** Bytes of an answer that are left for what we say in it ourselves. */
export const OWN_WORDS = 2048;

/** The least that a client gets of a cut answer; who may have no more than that gets none. */
export const LEAST = 2 * OWN_WORDS;
