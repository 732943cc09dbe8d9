import type { RemoteServer } from '../../../contract/bundle.ts';
import type { Authorization } from '../../../contract/upstream.ts';
import type { Loan } from '../../../contract/wire-secret.ts';
import { systemResolver } from '../../egress/dial.ts';
import { remoteUpstream } from '../http.ts';
import {
  type RpcAnswer,
  type Upstream,
  type UpstreamCall,
  UpstreamFailure,
  type UpstreamListening,
} from '../upstream.ts';
import { HttpFailure } from './failures.ts';
import { shownAs } from './shown-as.ts';

/** Callers whose conversations are kept, and milliseconds without a call for which they are. */
const MOST = 1000;
const MAX_IDLE = 10 * 60_000;
/** Times that one call may be told of another nonce. */
const MOST_NONCES = 2;
/** Characters of a nonce. */
const LONGEST_NONCE = 1024;

/**
 * A remote server to which every caller speaks with tokens of his own: connections, sessions and what the server is
 * believed to be are each subject's alone, and no request of one ever carries what was lent to another.
 * @param now milliseconds since the epoch
 * @throws when the address is not acceptable
 */
export function callersUpstream(server: RemoteServer, now: () => number, resolve = systemResolver()): Upstream {
  return new CallersUpstream((authorization) => remoteUpstream(server, now, resolve, authorization), server, now);
}

class CallersUpstream implements Upstream {
  readonly #open: (authorization: Authorization) => Upstream;
  readonly #host: string;
  readonly #path: string;
  readonly #now: () => number;
  /** By subject, in the order of their last use. */
  readonly #callers = new Map<string, Caller>();

  constructor(open: (authorization: Authorization) => Upstream, { url }: RemoteServer, now: () => number) {
    this.#open = open;
    this.#now = now;
    const { host, pathname } = new URL(url);
    [this.#host, this.#path] = [host, pathname];
    // What is wrong with the address is to be known before anybody calls.
    void open(NOTHING).close();
  }

  async call(call: UpstreamCall): Promise<RpcAnswer> {
    const { loan, subject } = call;
    const [token] = loan?.leases ?? [];
    if (loan === undefined || token === undefined)
      throw new UpstreamFailure('upstream', 'nothing was lent to the call');
    const caller = this.#caller(subject);
    const giveBack = caller.lend(loan);
    loan.used({ ref: token.ref, host: this.#host, path: this.#path });
    try {
      return await caller.insist(() => caller.upstream.call(call));
    } finally {
      giveBack();
      caller.usedAt = this.#now();
    }
  }

  async listen(listening: UpstreamListening): Promise<void> {
    const { loan, subject } = listening;
    const [token] = loan?.leases ?? [];
    if (loan === undefined || token === undefined)
      throw new UpstreamFailure('upstream', 'nothing was lent for the stream');
    const caller = this.#caller(subject);
    const giveBack = caller.lend(loan);
    loan.used({ ref: token.ref, host: this.#host, path: this.#path });
    try {
      await caller.insist(() => caller.upstream.listen(listening));
    } finally {
      giveBack();
      caller.usedAt = this.#now();
    }
  }

  async describe(): Promise<never> {
    throw new UpstreamFailure('upstream', 'nobody is there for whom it could be asked');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#callers.values()].map(({ upstream }) => upstream.close()));
    this.#callers.clear();
  }

  #caller(subject: string): Caller {
    const known = this.#callers.get(subject) ?? new Caller(this.#open);
    this.#callers.delete(subject);
    this.#callers.set(subject, known);
    known.usedAt = this.#now();
    for (const [oldest, caller] of this.#callers) {
      if (this.#callers.size <= MOST && this.#now() - caller.usedAt < MAX_IDLE) break;
      if (caller.isBusy || caller === known) continue;
      this.#callers.delete(oldest);
      void caller.upstream.close();
    }
    return known;
  }
}

/** One subject's way to the server. */
class Caller implements Authorization {
  readonly upstream: Upstream;
  usedAt = 0;
  /** What is lent to calls and streams that run; the newest last. */
  readonly #lent: Loan[] = [];
  /** What the server wants to find in the next proof. */
  #nonce: string | undefined;

  constructor(open: (authorization: Authorization) => Upstream) {
    this.upstream = open(this);
  }

  get isBusy(): boolean {
    return this.#lent.length > 0;
  }

  /** @returns what ends it */
  lend(loan: Loan): () => void {
    this.#lent.push(loan);
    return () => void this.#lent.splice(this.#lent.indexOf(loan), 1);
  }

  /** What is refused for want of a newer nonce is not executed, and is said again with that one (RFC 9449 §9). */
  async insist<T>(work: () => Promise<T>): Promise<T> {
    for (let told = 0; ; told++) {
      const nonce = this.#nonce;
      try {
        return await work();
      } catch (error) {
        const isNew = error instanceof HttpFailure && error.wantsNonce && this.#nonce !== nonce;
        if (!isNew || told >= MOST_NONCES) throw error;
      }
    }
  }

  /** Beside the calls are the handshake, streams, the end of a session: said with what was lent last. */
  async headers(method: string, own: string | undefined): Promise<readonly string[]> {
    const loan = this.#lent.findLast(({ leases: [token] }) => token && (own === undefined || shownAs(token) === own));
    const [token] = loan?.leases ?? [];
    if (loan === undefined || token === undefined) return [];
    const shown = own === undefined ? ['authorization', shownAs(token)] : [];
    if (!token.isBound) return shown;
    const proof = await loan.prove?.({ lease: token.id, method, nonce: this.#nonce });
    if (proof === undefined) throw new UpstreamFailure('upstream', 'the token of the call is not lent any more');
    return [...shown, 'dpop', proof];
  }

  nonce(value: string): void {
    if (value.length <= LONGEST_NONCE) this.#nonce = value;
  }
}

const NOTHING: Authorization = { headers: async () => [], nonce: () => {} };
