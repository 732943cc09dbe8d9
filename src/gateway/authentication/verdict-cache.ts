import { hash } from 'node:crypto';
import type { Verdict } from './verify.ts';

/** Good verdicts by the token's SHA-256; no token is kept. Bad ones are not kept: they would be the attacker's to fill. */
export interface VerdictCache {
  get(token: string): Verdict | undefined;
  put(token: string, verdict: Verdict): void;
  clear(): void;
}

/**
 * Holds at most `bound` verdicts in two generations: what is used moves to the young one, and when that is full, the
 * old one is dropped. That is nearly least-recently-used, for the price of a map look-up.
 */
export function verdictCache(bound = 10_000): VerdictCache {
  let young = new Map<string, Verdict>();
  let old = new Map<string, Verdict>();
  const keep = (key: string, verdict: Verdict) => {
    if (young.size >= bound / 2) {
      old = young;
      young = new Map();
    }
    young.set(key, verdict);
  };
  return {
    get(token) {
      const key = digest(token);
      const recent = young.get(key);
      if (recent) return recent;
      const aged = old.get(key);
      if (aged) keep(key, aged);
      return aged;
    },
    put: (token, verdict) => keep(digest(token), verdict),
    clear() {
      young = new Map();
      old = new Map();
    },
  };
}

function digest(token: string): string {
  return hash('sha256', token, 'base64url');
}
