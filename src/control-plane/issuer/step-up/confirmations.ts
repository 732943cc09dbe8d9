import { createHash, randomBytes } from 'node:crypto';
import type { CallToConfirm, Confirmation } from '../../../contract/step-up.ts';

/** Milliseconds that a call waits for its person, and for which a confirmation is good then. */
const WAITING = 10 * 60_000;
const GOOD = 2 * 60_000;
/** Calls that wait; a subject's oldest gives way to its newest. */
const PER_SUBJECT = 16;
const TOTAL = 1024;

export interface WaitingCall {
  readonly id: string;
  readonly call: CallToConfirm;
  /** SHA-256 over all of it, base64url. */
  readonly digest: string;
}

interface Kept extends WaitingCall {
  /** Milliseconds since the epoch. */
  until: number;
  confirmed: boolean;
  refused: boolean;
}

/** Calls that wait to be confirmed, and those that have been and were not made again yet. In memory: a restart forgets. */
export class Confirmations {
  readonly #origin: string;
  readonly #now: () => number;
  /** By the digest of the call, the oldest first. */
  readonly #kept = new Map<string, Kept>();

  constructor(origin: string, now: () => number) {
    this.#origin = origin;
    this.#now = now;
  }

  /** Uses a confirmation of exactly this call up, where there is one; else says where it can be given. */
  ask(call: CallToConfirm): Confirmation {
    this.#prune();
    const digest = digestOf(call);
    const known = this.#kept.get(digest);
    if (known?.confirmed) {
      this.#kept.delete(digest);
      return { kind: 'confirmed', id: known.id };
    }
    if (known?.refused) return { kind: 'refused', id: known.id };
    const waiting = known ?? this.#put(call, digest);
    if (waiting === undefined) return { kind: 'full' };
    return { kind: 'waiting', id: waiting.id, url: `${this.#origin}/oauth/confirm/${waiting.id}` };
  }

  /** A call that waits; undefined: it was confirmed or refused, has run out, or was never there. */
  waiting(id: string): WaitingCall | undefined {
    this.#prune();
    const found = [...this.#kept.values()].find((one) => one.id === id);
    return found?.confirmed === false && !found.refused ? found : undefined;
  }

  /** All that wait, the oldest first. */
  all(): readonly WaitingCall[] {
    this.#prune();
    return [...this.#kept.values()].filter(({ confirmed, refused }) => !confirmed && !refused);
  }

  /** From now on, for two minutes, this very call can be made once. */
  confirm({ digest }: WaitingCall): void {
    const kept = this.#kept.get(digest);
    if (kept === undefined) return;
    kept.confirmed = true;
    kept.until = this.#now() + GOOD;
  }

  refuse({ digest }: WaitingCall): void {
    this.#kept.delete(digest);
  }

  /** As `refuse`; for two minutes whoever asks again is told so. */
  deny({ digest }: WaitingCall): void {
    const kept = this.#kept.get(digest);
    if (kept === undefined) return;
    kept.refused = true;
    kept.until = this.#now() + GOOD;
  }

  #put(call: CallToConfirm, digest: string): Kept | undefined {
    const own = [...this.#kept.values()].filter((one) => one.call.subjectKey === call.subjectKey);
    const oldest = own.find(({ confirmed }) => !confirmed) ?? own[0];
    if (own.length >= PER_SUBJECT && oldest !== undefined) this.#kept.delete(oldest.digest);
    if (this.#kept.size >= TOTAL) return undefined;
    const id = randomBytes(16).toString('base64url');
    const kept = { id, call, digest, until: this.#now() + WAITING, confirmed: false, refused: false };
    this.#kept.set(digest, kept);
    return kept;
  }

  #prune(): void {
    for (const [digest, { until }] of this.#kept) if (until <= this.#now()) this.#kept.delete(digest);
  }
}

function digestOf({ subjectKey, subject, tenant, server, tool, arguments: args }: CallToConfirm): string {
  return createHash('sha256')
    .update(JSON.stringify([subjectKey, subject, tenant, server, tool, args]))
    .digest('base64url');
}
