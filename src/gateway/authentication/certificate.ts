import { X509Certificate } from 'node:crypto';
import { elements, extensionValues, first } from '../../contract/der.ts';

/** What of a certificate decides whether it is an SVID. */
export interface Certificate {
  readonly x509: X509Certificate;
  /** URI alternative names (RFC 5280 §4.2.1.6). */
  readonly uris: readonly string[];
  /** Key usage (§4.2.1.3); undefined: the certificate does not say. */
  readonly usage: Usage | undefined;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

interface Usage {
  readonly digitalSignature: boolean;
  readonly signs: boolean;
}

const SUBJECT_ALT_NAME = Buffer.from('551d11', 'hex');
const KEY_USAGE = Buffer.from('551d0f', 'hex');
const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const URI = 0x86;

/** @throws Error for what is no certificate, or says one thing twice */
export function readCertificate(der: Uint8Array): Certificate {
  const x509 = new X509Certificate(der);
  const names = only(extensionValues(der, SUBJECT_ALT_NAME), 'alternative names');
  const usage = only(extensionValues(der, KEY_USAGE), 'key usages');
  return {
    x509,
    uris: names === undefined ? [] : [...elements(first(names, SEQUENCE))].flatMap(({ tag, value }) => uri(tag, value)),
    usage: usage === undefined ? undefined : readUsage(first(usage, BIT_STRING)),
    notBefore: x509.validFromDate.getTime(),
    notAfter: x509.validToDate.getTime(),
  };
}

function uri(tag: number, value: Uint8Array): readonly string[] {
  return tag === URI ? [Buffer.from(value).toString('latin1')] : [];
}

/** The first octet counts unused bits; bit 0 is the highest of the second. */
function readUsage(bits: Uint8Array): Usage {
  const flags = bits[1] ?? 0;
  return { digitalSignature: (flags & 0x80) !== 0, signs: (flags & 0x06) !== 0 };
}

function only(values: readonly Uint8Array[], what: string): Uint8Array | undefined {
  if (values.length > 1) throw new RangeError(`${what} twice`);
  return values[0];
}
