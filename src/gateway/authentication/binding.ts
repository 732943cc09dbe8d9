import { hash } from 'node:crypto';
import type { ClientCertificate } from '../../contract/client-certificate.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type StateStore, StateUnavailable } from '../../contract/state-store.ts';
import type { Arrived } from '../../contract/tool-call.ts';
import type { Confirmation } from './confirmation.ts';
import type { Nonces } from './nonces.ts';
import { PROOF_WINDOW, type Proof, proofVerifier } from './proof.ts';
import { Shares } from './shares.ts';

/** Milliseconds that the clocks of two gateways may differ by: so much longer is a proof remembered. */
const MARGIN = 10_000;

/** A token as it was presented. */
export interface Presented {
  readonly scheme: 'bearer' | 'dpop';
  /** SHA-256, base64url. */
  readonly digest: string;
  readonly confirmation: Confirmation | undefined;
}

/** What a bundle says of it. */
export interface BindingRules {
  /** `https://localhost:8443/mcp`. */
  readonly resource: string;
  /** Undefined: proofs need none. */
  readonly nonces: Nonces | undefined;
}

export interface BindingDeps {
  readonly state: Pick<StateStore, 'once'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Is whoever presents a token the one that it was made for? A bound one counts only with its proof, in the scheme of its
 * kind: a stolen one is worth nothing without the key (RFC 9449 §7, RFC 8705 §3).
 * @throws Refusal unauthenticated; dpop-nonce for a proof that is good but for its nonce; unavailable where nobody can
 * tell whether it has been used; overload for a key that would take the store from the others
 */
export function binding(deps: BindingDeps): (call: Arrived, token: Presented, rules: BindingRules) => Promise<void> {
  const verify = proofVerifier();
  /** A call whose body took longer than a bundle's life is authenticated again, and its proof is the one that it used. */
  const used = new WeakMap<Arrived, string>();
  const shares = new Shares(2 * PROOF_WINDOW * 1000 + MARGIN);

  return async (call, { scheme, digest, confirmation }, { resource, nonces }) => {
    if (confirmation?.key === undefined) {
      if (scheme === 'dpop') throw refuse('DPoP scheme with a token that is bound to no key (RFC 9449 §7.1)');
    } else if (scheme === 'bearer') throw refuse('token is bound to a key, and came like a bearer one (RFC 9449 §7.2)');
    if (confirmation === undefined) return;
    const now = deps.now();
    if (confirmation.certificate !== undefined) checkCertificate(confirmation.certificate, call.certificate, now);
    if (confirmation.key === undefined) return;
    const { dpop: proof } = call.headers;
    const about = { thumbprint: confirmation.key, method: call.httpMethod, target: targetOf(call, resource) };
    const good = await verify(proof, { ...about, token: digest, now });
    if (nonces !== undefined && !nonces.isGood(good.nonce, now))
      throw new Refusal('dpop-nonce', 'proof without a nonce of ours that is new', undefined, nonces.current(now));
    await spend(call, confirmation.key, good, now);
  };

  /** Last of all, so that nobody but the key's holder uses up an id. */
  async function spend(call: Arrived, thumbprint: string, { jti, iat }: Proof, now: number): Promise<void> {
    const key = hash('sha256', JSON.stringify([thumbprint, jti]), 'base64url');
    if (used.get(call) === key) return;
    if (!shares.take(thumbprint, now)) throw new Refusal('overload', 'too many proofs of one key');
    const ttl = (iat + PROOF_WINDOW) * 1000 - now + MARGIN;
    let isFirst: boolean;
    try {
      isFirst = await deps.state.once(`dpop:${key}`, ttl);
    } catch (error) {
      if (!(error instanceof StateUnavailable)) throw error;
      throw new Refusal('unavailable', `state store: ${error.message}`);
    }
    if (!isFirst) throw refuse('proof: jti has been used');
    used.set(call, key);
  }
}

function checkCertificate(thumbprint: string, presented: ClientCertificate | undefined, now: number): void {
  if (presented === undefined)
    throw refuse('token is bound to a certificate, and the client has shown none (RFC 8705)');
  if (presented.thumbprint !== thumbprint) throw refuse('token is bound to another certificate (RFC 8705 §3)');
  if (now >= presented.notAfter) throw refuse('token is bound to a certificate that has expired');
}

/** The URI that a proof must name: ours, whatever the client called us by. */
function targetOf({ server, transport }: Arrived, resource: string): string {
  return `${resource}${server === undefined ? '' : `/${server}`}${transport === 'sse' ? '/sse' : ''}`;
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', detail);
}
