import { Refusal } from '../../contract/refusal.ts';
import type { VerificationKey } from './algorithms.ts';

/** Milliseconds after which a key set is asked for again. */
const REFRESH_AFTER = 10 * 60 * 1000;
/** Milliseconds between two attempts, whatever asks for them: an unknown `kid` costs the issuer no more than this. */
const COOL_DOWN = 30 * 1000;
/** Milliseconds that the last keys serve while the issuer is away; then nothing of this issuer is believed. */
const SERVE_STALE = 60 * 60 * 1000;

/** The keys that an issuer has now. */
export interface KeySource {
  /** A promise to wait for before `holds` is asked; undefined: the set is fresh. Never rejects. */
  upToDate(): Promise<void> | undefined;
  holds(key: VerificationKey): boolean;
  /** The one key for this header. @throws Refusal unauthenticated */
  find(alg: string, kid: string | undefined): Promise<VerificationKey>;
}

/** Keys that the bundle carries. */
export function givenKeys(keys: readonly VerificationKey[]): KeySource {
  return {
    upToDate: () => undefined,
    holds: (key) => keys.includes(key),
    find: async (alg, kid) => demand(select(keys, alg, kid), kid, ''),
  };
}

/**
 * Keys that are fetched, and kept for as long as REFRESH_AFTER, COOL_DOWN and SERVE_STALE say.
 * @param load rejects with a message for the log
 */
export function fetchedKeys(load: () => Promise<readonly VerificationKey[]>, now: () => number): KeySource {
  let keys: readonly VerificationKey[] = [];
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let problem = '';
  let inFlight: Promise<void> | undefined;

  const attempt = async () => {
    attemptedAt = now();
    try {
      const known = new Map(keys.map((key) => [key.fingerprint, key]));
      const loaded = await load();
      keys = loaded.map((key) => known.get(key.fingerprint) ?? key);
      fetchedAt = attemptedAt;
      problem = '';
    } catch (error) {
      problem = error instanceof Error ? error.message : 'unknown error';
    }
  };
  const refresh = () => {
    if (!inFlight && now() - attemptedAt >= COOL_DOWN) {
      inFlight = attempt().finally(() => {
        inFlight = undefined;
      });
    }
    return inFlight;
  };
  const usable = () => (now() - fetchedAt < SERVE_STALE ? keys : []);

  return {
    upToDate() {
      if (now() - fetchedAt < REFRESH_AFTER) return undefined;
      const refreshing = refresh();
      // While the issuer is away, calls do not wait for each of the attempts to reach it.
      return problem !== '' && usable().length > 0 ? undefined : refreshing;
    },
    holds: (key) => usable().includes(key),
    async find(alg, kid) {
      await this.upToDate();
      const found = select(usable(), alg, kid);
      if (found) return found;
      await refresh();
      return demand(select(usable(), alg, kid), kid, problem);
    },
  };
}

/** Exactly one key must fit: a set in which two do is answered by neither. */
function select(keys: readonly VerificationKey[], alg: string, kid: string | undefined): VerificationKey | undefined {
  const fitting = keys.filter((key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === kid));
  return fitting.length === 1 ? fitting[0] : undefined;
}

function demand(key: VerificationKey | undefined, kid: string | undefined, problem: string): VerificationKey {
  if (key) return key;
  const why = problem === '' ? '' : `; the issuer's keys could not be fetched: ${problem}`;
  throw new Refusal('unauthenticated', `no single key for kid ${JSON.stringify(kid)}${why}`);
}
