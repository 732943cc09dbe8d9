import { createPublicKey, hash, verify } from 'node:crypto';
import { createReadStream } from 'node:fs';

export interface ChainVerdict {
  readonly holds: boolean;
  readonly records: number;
  /** Sequence number of the last record that a signature covers; later ones are chained but not yet signed. */
  readonly sealed: number;
  /** Where and why the chain breaks. */
  readonly broken?: { readonly line: number; readonly why: string };
}

/** Verifies an audit log offline: needs nothing but the file and the Ed25519 public key (PEM). */
export async function verifyChain(file: string, publicKeyPem: string): Promise<ChainVerdict> {
  const key = createPublicKey(publicKeyPem);
  let [number, sealed, prev] = [0, 0, 'genesis'];
  const broken = (why: string): ChainVerdict => ({
    holds: false,
    records: number - 1,
    sealed,
    broken: { line: number, why },
  });
  for await (const line of lines(file)) {
    number++;
    const cut = line.lastIndexOf(',"hash":"');
    const digest = line.slice(cut + 9, -2);
    if (cut < 0 || !line.endsWith('"}')) return broken('not a record');
    if (hash('sha256', `${line.slice(0, cut)}}`, 'base64url') !== digest) return broken('the record was changed');
    const record = JSON.parse(line) as { seq: number; prev: string; event: string; signature?: string };
    if (record.seq !== number) return broken(`sequence number ${record.seq} where ${number} belongs`);
    if (record.prev !== prev) return broken('does not follow the record before it');
    if (record.event === 'seal') {
      const signature = Buffer.from(record.signature ?? '', 'base64url');
      if (!verify(null, Buffer.from(prev), key, signature)) return broken('the signature is not of this key');
      sealed = number;
    }
    prev = digest;
  }
  if (number > 0 && sealed === 0) return { ...broken('nothing in it is signed'), records: number };
  return { holds: true, records: number, sealed };
}

/** Lines end at U+000A alone: `node:readline` would also cut at U+2028, which a record's text may hold. */
async function* lines(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, 'utf8')) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}
