import { createHmac } from 'node:crypto';

/** Milliseconds that one nonce is the newest. */
const SLOT = 60_000;
/** So many older ones are taken too, and one that a gateway with a faster clock gave. */
const OLDER = 4;

/** The nonces that clients put into their proofs (RFC 9449 §8), so that none can be made long before it is used. */
export interface Nonces {
  current(now: number): string;
  isGood(nonce: unknown, now: number): boolean;
}

/** Made of time and a key that all gateways have, so that each takes the others', and none has to be remembered. */
export function nonces(key: string): Nonces {
  const made = new Map<number, string>();
  const ofSlot = (slot: number): string => {
    let nonce = made.get(slot);
    if (nonce === undefined) {
      nonce = createHmac('sha256', key).update(`dpop-nonce ${slot}`).digest('base64url').slice(0, 22);
      if (made.size > 4 * OLDER) made.clear();
      made.set(slot, nonce);
    }
    return nonce;
  };
  return {
    current: (now) => ofSlot(Math.floor(now / SLOT)),
    isGood(nonce, now) {
      const newest = Math.floor(now / SLOT);
      for (let slot = newest + 1; slot >= newest - OLDER; slot--) if (nonce === ofSlot(slot)) return true;
      return false;
    },
  };
}
