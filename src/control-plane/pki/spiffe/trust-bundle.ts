import { X509Certificate } from 'node:crypto';
import { z } from 'zod';

/** The authorities of a trust domain. */
export interface TrustBundle {
  /** Of X.509-SVIDs, PEM. */
  readonly x509: readonly string[];
  /** Of JWT-SVIDs, public JWKs. */
  readonly jwt: readonly Readonly<Record<string, unknown>>[];
}

/** It is not what it should be; the message says what. */
export class TrustBundleError extends Error {}

/** Authorities of one kind: rotation has two or three of them. */
const MAX_AUTHORITIES = 64;

const document = z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())).max(2 * MAX_AUTHORITIES) });
const x5c = z.tuple([z.base64()]);

/**
 * A bundle as operators have it in a file: the SPIFFE document (SPIFFE Trust Domain and Bundle §4), which has both kinds,
 * or certificates in PEM, which have no keys for JWT-SVIDs.
 * @param mayBeEmpty a document that says so trusts nobody; an empty text says nothing
 * @throws TrustBundleError
 */
export function parseBundle(text: string, mayBeEmpty = false): TrustBundle {
  const isDocument = text.trimStart().startsWith('{');
  const bundle = isDocument ? parseDocument(text) : { x509: pemBlocks(text).map(checked), jwt: [] };
  const isEmpty = bundle.x509.length === 0 && bundle.jwt.length === 0;
  if (isEmpty && !(mayBeEmpty && isDocument)) throw new TrustBundleError('no authority in it');
  return bundle;
}

/** A JWK Set of JWT authorities (RFC 7517 §5), as the Workload API gives it. @throws TrustBundleError */
export function parseJwtAuthorities(text: string): TrustBundle['jwt'] {
  return keysOf(text)
    .filter(({ use }) => use === undefined || use === 'jwt-svid')
    .map(withoutUse);
}

/** @throws TrustBundleError for what is no authority's certificate */
export function authorityFromDer(der: Uint8Array): string {
  return checked(`-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----`);
}

function parseDocument(text: string): TrustBundle {
  const keys = keysOf(text);
  const x509 = keys.flatMap(({ use, x5c: chain }) => {
    if (use !== 'x509-svid') return [];
    const parsed = x5c.safeParse(chain);
    if (!parsed.success) throw new TrustBundleError('an x509-svid key has not exactly one certificate (§4.2.2)');
    return authorityFromDer(Buffer.from(parsed.data[0], 'base64'));
  });
  return { x509, jwt: keys.filter(({ use }) => use === 'jwt-svid').map(withoutUse) };
}

function keysOf(text: string): readonly Readonly<Record<string, unknown>>[] {
  try {
    return document.parse(JSON.parse(text)).keys;
  } catch {
    throw new TrustBundleError('not a JWK Set (RFC 7517 §5)');
  }
}

/** Its use was to tell it from the others; to a verifier of signatures the word means nothing. */
function withoutUse({ use: _, ...key }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return key;
}

function pemBlocks(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

function checked(pem: string): string {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw new TrustBundleError('a certificate in it cannot be read');
  }
  if (!certificate.ca)
    throw new TrustBundleError(`${JSON.stringify(certificate.subject)} is no authority's certificate`);
  return pem;
}
