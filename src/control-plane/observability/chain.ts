import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';

/** Where a chain stands: the number of its last record, and that record's hash. */
export interface Link {
  readonly records: number;
  readonly hash: string;
}

const GENESIS: Link = { records: 0, hash: 'genesis' };
const HEAD = /^\{"seq":(\d{1,15}),"prev":"([\w-]{1,64})",/;

/** Follows a hash-chained audit log, record by record, with nothing but the Ed25519 public key of its writer. */
export class Chain {
  readonly #key: KeyObject;
  #at: Link;
  /** Number of the last record that a signature covers. */
  sealed = 0;

  /** @param at the record before the first one that is taken; absent: the log's beginning */
  constructor(publicPem: string, at = GENESIS) {
    this.#key = createPublicKey(publicPem);
    this.#at = at;
  }

  get at(): Link {
    return this.#at;
  }

  /** @returns why it is not the next record; undefined: it is, and is taken */
  take(line: string): string | undefined {
    const own = hashOf(line);
    if (own === undefined) return 'not a record';
    if (!bearsItsHash(line)) return 'the record was changed';
    const [, seq, prev] = HEAD.exec(line) ?? [];
    if (seq === undefined) return 'not a record';
    const number = this.#at.records + 1;
    if (Number(seq) !== number) return `sequence number ${seq} where ${number} belongs`;
    if (prev !== this.#at.hash) return 'does not follow the record before it';
    const signature = signatureIn(line);
    if (signature === null) return 'not a record';
    if (signature !== undefined) {
      if (!verify(null, Buffer.from(prev), this.#key, signature)) return 'the signature is not of this key';
      this.sealed = number;
    }
    this.#at = { records: number, hash: own };
    return undefined;
  }
}

const MARK = ',"hash":"';

/** The hash that a record bears, true or not; undefined where it is none. */
export function hashOf(line: string): string | undefined {
  const cut = line.lastIndexOf(MARK);
  return cut < 0 || !line.endsWith('"}') ? undefined : line.slice(cut + MARK.length, -2);
}

export function bearsItsHash(line: string): boolean {
  return hash('sha256', `${line.slice(0, line.lastIndexOf(MARK))}}`, 'base64url') === hashOf(line);
}

/** Undefined: the record is no seal; null: it is nothing that JSON knows. */
function signatureIn(line: string): Buffer | undefined | null {
  try {
    const { event, signature }: { event?: unknown; signature?: unknown } = JSON.parse(line);
    return event === 'seal' ? Buffer.from(String(signature), 'base64url') : undefined;
  } catch {
    return null;
  }
}
