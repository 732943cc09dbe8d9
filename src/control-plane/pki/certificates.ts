import 'reflect-metadata';
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const DAY = 24 * 60 * 60 * 1000;
/** Ten years: clients pin the authority by file, and a new one is a new file for each of them. */
const AUTHORITY_LIFETIME = 3650 * DAY;
/** Thirty days: the key is never written, and is made anew at each start. */
const LEAF_LIFETIME = 30 * DAY;
/** Clocks may differ by so much. */
const BACKDATE = 60 * 60 * 1000;

const P256 = { name: 'ECDSA', namedCurve: 'P-256' };
const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' };

export interface Leaf {
  /** PKCS #8, PEM. */
  readonly key: string;
  /** PEM; the authority signs it directly, so no intermediate follows. */
  readonly cert: string;
  /** Milliseconds since the epoch; ask for the next one well before. */
  readonly notAfter: number;
}

/** A self-signed certificate for `key` that may sign server certificates and nothing below them (RFC 5280 §4.2.1.9). */
export async function authorityCertificate(key: KeyObject, now: number): Promise<string> {
  const publicKey = await publicHalf(key);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: authorityName(key),
    issuer: authorityName(key),
    notBefore: new Date(now - BACKDATE),
    notAfter: new Date(now + AUTHORITY_LIFETIME),
    publicKey,
    signingKey: await signer(key),
    signingAlgorithm: ECDSA_SHA256,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return certificate.toString('pem');
}

/** A server certificate for DNS names and IP addresses, with a key of its own. @throws RangeError on an unusable name */
export async function leafCertificate(authority: KeyObject, names: readonly string[], now: number): Promise<Leaf> {
  if (names.length === 0) throw new RangeError('a server certificate needs a name');
  return leaf(authority, 'edge', names.map(alternativeName), ExtendedKeyUsage.serverAuth, now);
}

/** A zone's certificate for the connection between zone 0, which dials, and a gateway: good at its own end alone. */
export function zoneCertificate(
  authority: KeyObject,
  uri: string,
  end: 'dials' | 'listens',
  now: number,
): Promise<Leaf> {
  const usage = end === 'dials' ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth;
  return leaf(authority, 'zone', [{ type: 'url', value: uri }], usage, now);
}

async function leaf(
  authority: KeyObject,
  what: string,
  names: readonly AlternativeName[],
  usage: ExtendedKeyUsage,
  now: number,
): Promise<Leaf> {
  const pair = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=innerkeep ${what}`,
    issuer: authorityName(authority),
    notBefore: new Date(now - BACKDATE),
    notAfter: new Date(now + LEAF_LIFETIME),
    publicKey: pair.publicKey,
    signingKey: await signer(authority),
    signingAlgorithm: ECDSA_SHA256,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage]),
      new SubjectAlternativeNameExtension([...names]),
      await SubjectKeyIdentifierExtension.create(pair.publicKey),
      await AuthorityKeyIdentifierExtension.create(await publicHalf(authority)),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' });
  return { key: String(key), cert: certificate.toString('pem'), notAfter: certificate.notAfter.getTime() };
}

interface AlternativeName {
  readonly type: 'dns' | 'ip' | 'url';
  readonly value: string;
}

function alternativeName(name: string): AlternativeName {
  if (isAddress(name)) return { type: 'ip', value: name };
  if (!/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(name)) {
    throw new RangeError(`${JSON.stringify(name)} is neither a DNS name nor an IP address`);
  }
  return { type: 'dns', value: name.toLowerCase() };
}

/** An IPv4 address in its usual spelling, or an IPv6 address; the URL parser knows them (and this zone has no sockets). */
function isAddress(name: string): boolean {
  if (name.includes(':')) return /^[0-9a-f:.]+$/i.test(name) && URL.canParse(`http://[${name}]`);
  return /^\d+(\.\d+){3}$/.test(name) && URL.canParse(`http://${name}`) && new URL(`http://${name}`).hostname === name;
}

/** The key's own digest is in the name, so that the authorities of two machines never share one. */
function authorityName(key: KeyObject): string {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return `CN=innerkeep authority ${createHash('sha256').update(spki).digest('hex').slice(0, 16)}`;
}

/** 127 random bits, positive (RFC 5280 §4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function signer(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', key.export({ format: 'der', type: 'pkcs8' }), P256, false, ['sign']);
}

async function publicHalf(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return webcrypto.subtle.importKey('spki', spki, P256, true, ['verify']);
}
