import { generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { bits, integer, octets, oid, sequence, set, TRUE, time, tlv, utf8 } from './der.ts';

/** Milliseconds. An idle sandbox does not live longer than its authority. */
export const AUTHORITY_LIFETIME = 24 * 60 * 60 * 1000;
/** The sandbox's clock is this machine's; only the rounding to seconds has to be made up for. */
const BACKDATE = 60 * 1000;

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

export interface Identity {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
}

/**
 * The authority of one sandbox: an EC P-256 key that never leaves this process's memory, and a certificate that vouches
 * for the names whose connections are terminated and for nothing else (RFC 5280 §4.2.1.10). No other sandbox trusts it.
 */
export class SandboxAuthority {
  /** What the sandbox has to trust. */
  readonly pem: string;
  readonly #key: KeyObject;
  readonly #name: Buffer;
  readonly #keyId: Buffer;
  readonly #notBefore: number;

  /**
   * @param names lower-case DNS names; `*.` before one stands for the names below it
   * @param now milliseconds since the epoch
   */
  constructor(names: readonly string[], now: number) {
    const { privateKey, publicKey } = keyPair();
    this.#key = privateKey;
    this.#notBefore = now - BACKDATE;
    this.#keyId = keyId(publicKey);
    this.#name = commonName(`innerkeep sandbox ${randomBytes(8).toString('hex')}`);
    this.pem = this.#certificate(this.#name, publicKey, [
      extension('2.5.29.19', TRUE, sequence(TRUE, integer(0))),
      extension('2.5.29.15', TRUE, bits(Buffer.from([0x04]), 2)),
      extension('2.5.29.30', TRUE, nameConstraints(names)),
      extension('2.5.29.14', octets(this.#keyId)),
    ]);
  }

  /** A server certificate for one of the names, made when the first connection to it comes. */
  identity(name: string): Identity {
    const { privateKey, publicKey } = keyPair();
    const cert = this.#certificate(commonName('innerkeep egress'), publicKey, [
      extension('2.5.29.15', TRUE, bits(Buffer.from([0x80]), 7)),
      extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
      extension('2.5.29.17', sequence(dnsName(name))),
      extension('2.5.29.14', octets(keyId(publicKey))),
      extension('2.5.29.35', sequence(tlv(0x80, this.#keyId))),
    ]);
    return { key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })), cert };
  }

  #certificate(subject: Buffer, publicKey: KeyObject, extensions: readonly Buffer[]): string {
    const body = sequence(
      tlv(0xa0, integer(2)),
      integer(serial()),
      ECDSA_SHA256,
      this.#name,
      sequence(time(this.#notBefore), time(this.#notBefore + AUTHORITY_LIFETIME)),
      subject,
      publicKey.export({ format: 'der', type: 'spki' }),
      tlv(0xa3, sequence(...extensions)),
    );
    const signature = sign('sha256', body, { key: this.#key, dsaEncoding: 'der' });
    const base64 = sequence(body, ECDSA_SHA256, bits(signature)).toString('base64');
    return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  }
}

function keyPair() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** RFC 7093 §2: verifiers in strict mode demand it. */
function keyId(key: KeyObject): Buffer {
  return hash('sha256', key.export({ format: 'der', type: 'spki' }), 'buffer').subarray(0, 20);
}

/** 126 random bits, positive (RFC 5280 §4.1.2.2). */
function serial(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

function commonName(name: string): Buffer {
  return sequence(set(sequence(oid('2.5.4.3'), utf8(name))));
}

function dnsName(name: string): Buffer {
  return tlv(0x82, Buffer.from(name, 'latin1'));
}

/** These names (and, as the standard has it, names below them), and no IP address at all. */
function nameConstraints(names: readonly string[]): Buffer {
  const everyAddress = [8, 32].map((length) => sequence(tlv(0x87, Buffer.alloc(length))));
  return sequence(
    tlv(0xa0, ...names.map((name) => sequence(dnsName(name.replace(/^\*\./, ''))))),
    tlv(0xa1, ...everyAddress),
  );
}

function extension(id: string, ...[first, second]: [Buffer, Buffer] | [Buffer]): Buffer {
  return second === undefined ? sequence(oid(id), octets(first)) : sequence(oid(id), first, octets(second));
}
