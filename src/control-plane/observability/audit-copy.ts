import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { AuditPage } from '../../contract/zone-link.ts';
import { privateDirectory, readSecret, StateError, writeNew } from '../pki/state-files.ts';
import { bearsItsHash, Chain, hashOf, type Link } from './chain.ts';

/** A gateway does not show the log that it had shown before. */
export const auditFault = z.strictObject({
  /** RFC 3339, UTC. */
  time: z.string(),
  why: z.string(),
  /** The beginning of what it showed instead. */
  shown: z.string().optional(),
});
export type AuditFault = z.output<typeof auditFault>;

/** Characters of what was shown instead that are kept. */
const MAX_SHOWN = 2048;
/** The longest record is far below it. */
const TAIL = 1 << 20;

/** Where zone 0 keeps its copy of a gateway's audit log. */
export function auditCopyFile(state: string, gateway: string): string {
  return join(state, 'audit', gateway, 'audit.jsonl');
}

/**
 * Zone 0's own copy of one gateway's audit log: byte by byte its beginning, so that its size says what comes next. Nothing is
 * taken that does not continue it. Once a gateway has shown another log, its copy stays as it is, fault and all, until somebody
 * has looked into it.
 */
export class AuditCopy {
  /** Where it lies, with its fault. */
  readonly directory: string;
  readonly #fd: number;
  readonly #faultFile: string;
  readonly #publicPem: string;
  readonly #now: () => number;
  #chain: Chain;
  #size: number;
  #fault: AuditFault | undefined;

  /**
   * @param publicPem of the key that signs this gateway's log
   * @throws StateError when the copy does not end as it was written, or others may read it
   */
  constructor(state: string, gateway: string, publicPem: string, now: () => number) {
    const file = auditCopyFile(state, gateway);
    this.directory = privateDirectory(join(state, 'audit', gateway));
    this.#faultFile = join(this.directory, 'fault.json');
    this.#fault = readFault(this.#faultFile);
    this.#now = now;
    this.#fd = openSync(file, 'a+', 0o600);
    const { size, last } = tailOf(this.#fd, file);
    this.#size = size;
    this.#publicPem = publicPem;
    this.#chain = new Chain(publicPem, last);
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  get fault(): AuditFault | undefined {
    return this.#fault;
  }

  /**
   * Takes what the gateway shows after `size` bytes, as far as it continues what is here.
   * @throws Error of the file system: then nothing was taken
   */
  take({ lines, size }: AuditPage): void {
    if (this.#fault !== undefined) return;
    if (size < this.#size) {
      this.#break(`its log has ${size} bytes, and had shown ${this.#size} before: it was cut or replaced`);
      return;
    }
    const before = this.#chain.at;
    const shown = lines.split('\n');
    // What follows the last line end is no record.
    const rest = shown.pop() ?? '';
    let why: string | undefined;
    const other = shown.findIndex((line) => {
      why = this.#chain.take(line);
      return why !== undefined;
    });
    this.#write(other < 0 ? shown : shown.slice(0, other), before);
    if (why !== undefined) this.#break(`record ${this.#chain.at.records + 1}: ${why}`, shown[other]);
    else if (rest !== '') this.#break(`record ${this.#chain.at.records + 1}: half of one`, rest);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(lines: readonly string[], before: Link): void {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd, bytes, written);
    } catch (error) {
      ftruncateSync(this.#fd, this.#size);
      this.#chain = new Chain(this.#publicPem, before);
      throw error;
    }
    this.#size += bytes.length;
  }

  #break(why: string, shown?: string): void {
    this.#fault = {
      time: new Date(this.#now()).toISOString(),
      why,
      ...(shown !== undefined && { shown: shown.slice(0, MAX_SHOWN) }),
    };
    writeNew(this.#faultFile, `${JSON.stringify(this.#fault)}\n`);
  }
}

/** @throws StateError when it is not what was written */
export function readFault(file: string): AuditFault | undefined {
  const text = existsSync(file) ? readSecret(file) : undefined;
  if (text === undefined) return undefined;
  try {
    return auditFault.parse(JSON.parse(text));
  } catch {
    throw new StateError(`${file} is not as it was written; look into it, and move the directory away`);
  }
}

/** Where the copy ends; half a line that a killed process left is fetched again. */
function tailOf(fd: number, file: string) {
  const whole = fstatSync(fd).size;
  const bytes = Buffer.alloc(Math.min(whole, TAIL));
  readSync(fd, bytes, 0, bytes.length, whole - bytes.length);
  const end = bytes.lastIndexOf(0x0a) + 1;
  const size = whole - (bytes.length - end);
  if (size !== whole) ftruncateSync(fd, size);
  if (size === 0) return { size, last: undefined };
  const line = bytes.toString('utf8', bytes.lastIndexOf(0x0a, end - 2) + 1, end - 1);
  const records = Number(/^\{"seq":(\d{1,15}),/.exec(line)?.[1]);
  const hash = hashOf(line);
  if (hash === undefined || !bearsItsHash(line) || !(records > 0))
    throw new StateError(`${file} does not end with a record; look into it, and move the directory away`);
  return { size, last: { records, hash } };
}
