import { createHash, createPrivateKey, hash, type KeyObject, sign } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import type { AuditRecord, AuditSink } from '../../contract/audit-sink.ts';

/** How many records may follow a signature before the next one is due. */
const SEAL_EVERY = 1000;
/** Milliseconds until records that nothing follows are signed. */
const SEAL_AFTER = 1000;
const GENESIS = 'genesis';
/** What JSON leaves as it is but a terminal or a line reader does not show as one character of one line (A5). */
const UNSEEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const PLAIN = /^[ -~]*$/;
const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

export class AuditLogBroken extends Error {}

/**
 * Appends hash-chained JSON lines: each carries `seq`, `prev` (the hash before it) and, as its last member, `hash`,
 * the SHA-256 of the line without that member. `seal` records carry an Ed25519 signature over `prev`.
 * Records of one turn of the event loop are one write. A record is in the kernel's page cache when `append` has
 * resolved: it outlives this process, not a power cut.
 * @throws AuditLogBroken when the last line of an existing file does not bear its own hash
 */
export function openFileSink(file: string, privateKeyPem: string, now: () => number): AuditSink {
  const fd = openSync(file, 'a+', 0o600);
  const key = createPrivateKey(privateKeyPem);
  const tail = recover(fd, file, now);
  const sink = new FileSink(fd, key, now, tail);
  sink.write([{ time: new Date(now()).toISOString(), event: 'start', ...(tail.torn && { detail: tail.torn }) }]);
  sink.seal();
  return sink;
}

interface Seal {
  readonly time: string;
  readonly event: 'seal';
  readonly signature: string;
}

interface Tail {
  readonly seq: number;
  readonly hash: string;
  readonly torn?: string;
}

class FileSink implements AuditSink {
  readonly #fd: number;
  readonly #key: KeyObject;
  readonly #now: () => number;
  #seq: number;
  #prev: string;
  #waiting: AuditRecord[] = [];
  #written: Promise<void> | undefined;
  #unsealed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number, key: KeyObject, now: () => number, tail: Tail) {
    this.#fd = fd;
    this.#key = key;
    this.#now = now;
    this.#seq = tail.seq;
    this.#prev = tail.hash;
  }

  append(record: AuditRecord): Promise<void> {
    this.#waiting.push(record);
    this.#written ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        try {
          this.#flush();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    return this.#written;
  }

  #flush(): void {
    const records = this.#waiting;
    this.#waiting = [];
    this.#written = undefined;
    if (records.length > 0) this.write(records);
  }

  write(records: readonly AuditRecord[]): void {
    this.#write(records);
    this.#unsealed += records.length;
    if (this.#unsealed >= SEAL_EVERY) this.#trySeal();
    else this.#timer ??= setTimeout(() => this.#trySeal(), SEAL_AFTER).unref();
  }

  seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unsealed === 0) return;
    const signature = sign(null, Buffer.from(this.#prev), this.#key).toString('base64url');
    this.#write([{ time: new Date(this.#now()).toISOString(), event: 'seal', signature }]);
    this.#unsealed = 0;
  }

  close(): void {
    try {
      this.#waiting.push({ time: new Date(this.#now()).toISOString(), event: 'stop' });
      this.#flush();
      this.seal();
    } finally {
      clearTimeout(this.#timer);
      closeSync(this.#fd);
    }
  }

  /** What it would sign is written: a signature for which there is no room is due again, and no reason to end. */
  #trySeal(): void {
    try {
      this.seal();
    } catch {
      this.#timer = setTimeout(() => this.#trySeal(), SEAL_AFTER).unref();
    }
  }

  /** All of them or, where there is no room, none: then the chain stands as it stood. */
  #write(records: readonly (AuditRecord | Seal)[]): void {
    let [seq, prev, text] = [this.#seq, this.#prev, ''];
    for (const record of records) {
      const facts = JSON.stringify(record);
      const shown = PLAIN.test(facts) ? facts : facts.replace(UNSEEN, escapeUnit);
      const body = `{"seq":${++seq},"prev":"${prev}",${shown.slice(1)}`;
      prev = hash('sha256', body, 'base64url');
      text += `${body.slice(0, -1)},"hash":"${prev}"}\n`;
    }
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    } catch (error) {
      // A short write (disk full) would leave half a line: take it back, so that the next record starts clean.
      if (written > 0) ftruncateSync(this.#fd, fstatSync(this.#fd).size - written);
      throw error;
    }
    this.#seq = seq;
    this.#prev = prev;
  }
}

/** Finds the end of the chain; half a line that a killed process left is moved aside, never dropped. */
function recover(fd: number, file: string, now: () => number): Tail {
  const size = fstatSync(fd).size;
  const bytes = Buffer.alloc(Math.min(size, 1 << 20));
  readSync(fd, bytes, 0, bytes.length, size - bytes.length);
  const end = bytes.lastIndexOf(0x0a);
  const torn = bytes.subarray(end + 1);
  let note: string | undefined;
  if (torn.length > 0) {
    const aside = `${file}.torn-${now()}`;
    writeFileSync(aside, torn, { mode: 0o600 });
    ftruncateSync(fd, size - torn.length);
    note = `${torn.length} bytes of an unfinished line moved aside, sha256 ${createHash('sha256').update(torn).digest('hex')}`;
  }
  if (end < 0) {
    if (size > bytes.length) throw new AuditLogBroken(`${file}: no line end in the last megabyte`);
    return { seq: 0, hash: GENESIS, ...(note && { torn: note }) };
  }
  const line = bytes.subarray(bytes.lastIndexOf(0x0a, end - 1) + 1, end).toString();
  const cut = line.lastIndexOf(',"hash":"');
  const digest = line.slice(cut + 9, -2);
  if (cut < 0 || hash('sha256', `${line.slice(0, cut)}}`, 'base64url') !== digest) {
    throw new AuditLogBroken(
      `${file}: the last line does not bear its own hash. Keep it as evidence and move it away.`,
    );
  }
  return { seq: (JSON.parse(line) as { seq: number }).seq, hash: digest, ...(note && { torn: note }) };
}
