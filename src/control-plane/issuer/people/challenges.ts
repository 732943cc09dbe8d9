import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Milliseconds for which a page's challenge and form can be used. */
const LIFE = 5 * 60 * 1000;

/** Challenges of authenticators and tokens of forms; what is asked for costs no memory, only what was used does. */
export interface Challenges {
  /** @param purpose what it is for, unambiguous: it is good for nothing else */
  make(purpose: string): string;
  isGood(challenge: string, purpose: string): boolean;
  /** True once. */
  use(challenge: string): boolean;
}

/** The key is the process's own: what was asked before a restart is asked again. */
export function openChallenges(now: () => number): Challenges {
  const key = randomBytes(32);
  const used = new Map<string, number>();
  const mac = (random: string, until: number, purpose: string) =>
    createHmac('sha256', key)
      .update(JSON.stringify([random, until, purpose]))
      .digest('base64url');
  return {
    make(purpose) {
      const random = randomBytes(16).toString('base64url');
      const until = now() + LIFE;
      return Buffer.from(`${random}.${until}.${mac(random, until, purpose)}`).toString('base64url');
    },
    isGood(challenge, purpose) {
      const [random = '', until = '', given = ''] = Buffer.from(challenge, 'base64url').toString().split('.');
      const [left, right] = [Buffer.from(given), Buffer.from(mac(random, Number(until), purpose))];
      return left.length === right.length && timingSafeEqual(left, right) && Number(until) > now();
    },
    use(challenge) {
      for (const [old, until] of used) if (until <= now()) used.delete(old);
      // Two spellings of one challenge (base64url's spare bits) must not be two.
      const plain = Buffer.from(challenge, 'base64url').toString();
      if (used.has(plain)) return false;
      used.set(plain, now() + LIFE);
      return true;
    },
  };
}
