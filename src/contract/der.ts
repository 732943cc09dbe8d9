/** One element of DER (X.690 §8.1): its tag, what is in it, and both together as they were encoded. */
interface Element {
  readonly tag: number;
  readonly value: Uint8Array;
  readonly whole: Uint8Array;
}

const SEQUENCE = 0x30;
const OCTET_STRING = 0x04;
/** `[3] EXPLICIT Extensions` of a TBSCertificate (RFC 5280 §4.1). */
const EXTENSIONS = 0xa3;

/** The elements that lie in `bytes` one behind the other. @throws RangeError for what is no DER */
export function* elements(bytes: Uint8Array): Generator<Element> {
  let at = 0;
  while (at < bytes.length) {
    const begin = at;
    const tag = bytes[at++] ?? 0;
    let length = bytes[at++] ?? 0x80;
    if (length > 0x80) {
      const octets = length & 0x7f;
      if (octets > 4) throw new RangeError('no DER: a length of more than four octets');
      length = 0;
      for (let octet = 0; octet < octets; octet++) length = length * 256 + (bytes[at++] ?? 0);
    } else if (length === 0x80) throw new RangeError('no DER: an open length');
    if (at + length > bytes.length) throw new RangeError('no DER: longer than it is');
    const value = bytes.subarray(at, at + length);
    at += length;
    yield { tag, value, whole: bytes.subarray(begin, at) };
  }
}

/**
 * The values of a certificate's extensions of one kind (RFC 5280 §4.2); a good certificate has one at most.
 * @param oid the object identifier's DER content
 * @throws RangeError for what is no DER
 */
export function extensionValues(certificate: Uint8Array, oid: Uint8Array): readonly Uint8Array[] {
  const tbs = first(first(certificate, SEQUENCE), SEQUENCE);
  const found: Uint8Array[] = [];
  for (const part of elements(tbs)) {
    if (part.tag !== EXTENSIONS) continue;
    for (const extension of elements(first(part.value, SEQUENCE))) {
      const [id, ...rest] = elements(extension.value);
      if (id === undefined || id.value.join() !== oid.join()) continue;
      found.push(...rest.filter(({ tag }) => tag === OCTET_STRING).map(({ value }) => value));
    }
  }
  return found;
}

/** @throws RangeError when it is something else */
export function first(bytes: Uint8Array, tag: number): Uint8Array {
  for (const element of elements(bytes)) if (element.tag === tag) return element.value;
  throw new RangeError('no DER: another element is expected');
}
