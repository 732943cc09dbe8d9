import { Refusal } from '../../contract/refusal.ts';

export interface SpiffeId {
  readonly trustDomain: string;
  /** With its leading slash; empty: the trust domain itself. */
  readonly path: string;
}

/** SPIFFE-ID §2.1 to §2.3: no port, user, query, fragment, escapes, empty or dot segments, or slash at the end. */
const SPIFFE_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*)$/;
const MAX_ID = 2048;

/** @throws Refusal unauthenticated */
export function parseSpiffeId(text: string): SpiffeId {
  const [, trustDomain, path] = text.length <= MAX_ID ? (SPIFFE_ID.exec(text) ?? []) : [];
  if (trustDomain !== undefined && path !== undefined) return { trustDomain, path };
  throw new Refusal('unauthenticated', `not a SPIFFE ID: ${JSON.stringify(text.slice(0, 128))}`);
}

/**
 * The ID of a workload of this trust domain, which has a path (X509-SVID §2, JWT-SVID §3).
 * @throws Refusal unauthenticated
 */
export function workloadId(text: string, trustDomain: string): SpiffeId {
  const id = parseSpiffeId(text);
  if (id.trustDomain !== trustDomain)
    throw new Refusal('unauthenticated', `SPIFFE ID of another trust domain: ${id.trustDomain}`);
  if (id.path === '') throw new Refusal('unauthenticated', 'SPIFFE ID without a path names no workload');
  return id;
}
