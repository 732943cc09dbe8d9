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

/** RFC 7515 §7.1; base64url without padding. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.[\w-]+$/;

/** Parameters that bring a key, change what is signed, or must be understood (RFC 7515 §4.1, RFC 7797, RFC 7516). */
export const FORBIDDEN = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'zip', 'enc', 'epk'] as const;

/**
 * Header and claims by the strict reader (no duplicate keys), so that nobody reads the same token differently.
 * @throws Refusal unauthenticated
 */
export function takeApart(token: string): Unverified {
  const { head, body } = compactParts(token);
  const header = readHeader(head, FORBIDDEN);
  const { alg, typ, kid } = header;
  if (typeof alg !== 'string') throw refuse('header without alg');
  if (typ !== undefined && typeof typ !== 'string') throw refuse('typ is not a string');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > 256)) throw refuse('kid is not a short string');
  return { alg, typ, kid, claims: readPart(body, 'claims') };
}

/** The parts of a JWS as they were sent. @throws Refusal unauthenticated */
export function compactParts(jws: string): { readonly head: string; readonly body: string } {
  const [, head, body] = COMPACT.exec(jws) ?? [];
  if (head === undefined || body === undefined) throw refuse('not a signed JWT in compact form (RFC 7515 §7.1)');
  return { head, body };
}

/** @throws Refusal unauthenticated, also where one of `forbidden` is there */
export function readHeader(part: string, forbidden: readonly string[]): JsonObject {
  const header = readPart(part, 'header');
  for (const name of forbidden) if (name in header) throw refuse(`header parameter ${name}`);
  return header;
}

/** A part of a JWS that must be a JSON object. @throws Refusal unauthenticated */
export function readPart(part: string, what: string): JsonObject {
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
