import { isObject, type Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';

/** The key that a token is bound to (RFC 7800 §3.1), as far as we can see a proof of it; at least one member is there. */
export interface Confirmation {
  /** SHA-256 thumbprint of the key of DPoP proofs (RFC 9449 §6.1). */
  readonly key: string | undefined;
  /** SHA-256 of the client's certificate in its TLS connection (RFC 8705 §3.1). */
  readonly certificate: string | undefined;
}

const SHA256 = /^[\w-]{43}$/;

/**
 * What `cnf` asks of the presenter; undefined: there is none, and the token is a bearer one. A way of confirmation that
 * we do not know is refused: a bound token must never pass as a bearer one (RFC 7800, RFC 8705 §3, RFC 9449 §6).
 * @throws Refusal unauthenticated
 */
export function confirmationOf(cnf: Json | undefined): Confirmation | undefined {
  if (cnf === undefined) return undefined;
  if (!isObject(cnf)) throw refuse('cnf is no object (RFC 7800 §3.1)');
  const { jkt, 'x5t#S256': x5t, ...others } = cnf;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw refuse(`cnf has a member that cannot be confirmed here: ${unknown.slice(0, 32)}`);
  if (jkt === undefined && x5t === undefined) throw refuse('cnf names no key');
  return { key: digest('jkt', jkt), certificate: digest('x5t#S256', x5t) };
}

function digest(name: string, value: Json | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !SHA256.test(value)) throw refuse(`cnf: ${name} is no SHA-256`);
  return value;
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', detail);
}
