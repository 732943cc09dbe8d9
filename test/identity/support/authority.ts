import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { ClientCertificate } from '../../../src/contract/client-certificate.ts';

const HOUR = 3_600_000;
const EC = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNED = { name: 'ECDSA', hash: 'SHA-256' };
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** A certificate with its key, as whoever it was made for holds it. */
export interface Held {
  readonly name: string;
  readonly der: Uint8Array;
  readonly pem: string;
  readonly key: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly notAfter: number;
}

export interface CertificateWish {
  readonly uris?: readonly string[];
  readonly names?: JsonGeneralNames;
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** Undefined: what its kind has. */
  readonly usage?: number | 'none';
  readonly extendedUsage?: readonly string[] | 'none';
  /** Milliseconds since the epoch. */
  readonly from?: number;
  readonly until?: number;
  readonly more?: readonly Extension[];
}

/** A certificate that is right for its kind, but for what the wish changes. Without an issuer it signs itself. */
export async function certificate(name: string, now: number, wish: CertificateWish = {}, issuer?: Held): Promise<Held> {
  const { uris = [], names = [], ca = false, from = now - 60_000, until = now + HOUR, more = [] } = wish;
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const alternative = [...uris.map((value) => ({ type: 'url' as const, value })), ...names];
  const flags = ca ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature;
  const { usage = flags, extendedUsage = ca ? 'none' : [CLIENT_AUTH, SERVER_AUTH] } = wish;
  const made = await X509CertificateGenerator.create({
    serialNumber: `40${randomBytes(15).toString('hex')}`,
    subject: `CN=${name}`,
    issuer: `CN=${issuer?.name ?? name}`,
    notBefore: new Date(from),
    notAfter: new Date(until),
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: SIGNED,
    extensions: [
      new BasicConstraintsExtension(ca, wish.pathLength, true),
      ...(usage === 'none' ? [] : [new KeyUsagesExtension(usage, true)]),
      ...(extendedUsage === 'none' ? [] : [new ExtendedKeyUsageExtension([...extendedUsage])]),
      ...(alternative.length === 0 ? [] : [new SubjectAlternativeNameExtension(alternative)]),
      ...more,
    ],
  });
  const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { name, der: new Uint8Array(made.rawData), pem: made.toString('pem'), key, keys, notAfter: until };
}

/** An authority of a trust domain. */
export function authority(name: string, now: number, wish: CertificateWish = {}, issuer?: Held): Promise<Held> {
  const own = { ca: true, uris: ['spiffe://example.org'], until: now + 365 * 24 * HOUR };
  return certificate(name, now, { ...own, ...wish }, issuer);
}

/** What the edge makes of a client that shows these; `untrusted`: what the TLS library says of its path. */
export function shown([leaf, ...others]: readonly Held[], untrusted?: string): ClientCertificate {
  if (leaf === undefined) throw new Error('nothing to show');
  return {
    thumbprint: thumbprintOf(leaf),
    chain: [leaf, ...others].map(({ der }) => der),
    notAfter: leaf.notAfter,
    untrusted,
  };
}

export function thumbprintOf({ der }: Held): string {
  return createHash('sha256').update(der).digest('base64url');
}
