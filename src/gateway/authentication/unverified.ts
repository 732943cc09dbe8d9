import { base64url } from 'jose';
import { isObject, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { MalformedJson, parseStrict } from '../../contract/strict-json.ts';

/** A JWS in compact form, taken apart but not yet verified: nothing here may be believed. */
export interface Unverified {
  readonly alg: string;
  readonly typ: string | undefined;
  readonly kid: string | undefined;
  readonly claims: JsonObject;
}

/** Parameters that bring a key, change what is signed, or must be understood (RFC 7515 §4.1, RFC 7797, RFC 7516). */
const FORBIDDEN = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'zip', 'enc', 'epk'] as const;

/**
 * Header and claims by the strict reader (no duplicate keys), so that nobody reads the same token differently.
 * @throws Refusal unauthenticated
 */
export function takeApart(token: string): Unverified {
  const parts = token.split('.');
  const [head, body, signature] = parts;
  if (parts.length !== 3 || !head || !body || !signature)
    throw refuse('not a signed JWT in compact form (RFC 7515 §7.1)');
  const header = json(head, 'header');
  for (const name of FORBIDDEN) if (name in header) throw refuse(`header parameter ${name}`);
  const { alg, typ, kid } = header;
  if (typeof alg !== 'string') throw refuse('header without alg');
  if (typ !== undefined && typeof typ !== 'string') throw refuse('typ is not a string');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > 256)) throw refuse('kid is not a short string');
  return { alg, typ, kid, claims: json(body, 'claims') };
}

function json(part: string, what: string): JsonObject {
  try {
    const { value } = parseStrict(base64url.decode(part), 16);
    if (isObject(value)) return value;
  } catch (error) {
    throw refuse(`${what}: ${error instanceof MalformedJson ? error.message : 'not base64url'}`);
  }
  throw refuse(`${what}: not a JSON object`);
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', detail);
}
