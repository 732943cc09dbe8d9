import type { RemoteServer } from '../../../contract/bundle.ts';
import type { Authorization } from '../../../contract/upstream.ts';
import type { WireLease } from '../../../contract/wire-secret.ts';
import { systemResolver } from '../../egress/dial.ts';
import { remoteUpstream } from '../http.ts';
import { type RpcAnswer, type Upstream, type UpstreamCall, UpstreamFailure } from '../upstream.ts';

/** Callers whose conversations are kept, and milliseconds without a call for which they are. */
const MOST = 1000;
const MAX_IDLE = 10 * 60_000;

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
    const [token] = call.loan?.leases ?? [];
    if (token === undefined) throw new UpstreamFailure('upstream', 'nothing was lent to the call');
    const caller = this.#caller(call.subject);
    const giveBack = caller.lend(token);
    call.loan?.used({ ref: token.ref, host: this.#host, path: this.#path });
    try {
      return await caller.upstream.call(call);
    } finally {
      giveBack();
      caller.usedAt = this.#now();
    }
  }

  /** A token is lent for a call; a stream that outlives every call would need one that does too. */
  async listen(): Promise<void> {
    throw new UpstreamFailure('upstream', 'no subscriptions at a server whose tokens are lent for calls');
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
  /** What is lent to calls that run; the newest last. */
  readonly #lent: WireLease[] = [];

  constructor(open: (authorization: Authorization) => Upstream) {
    this.upstream = open(this);
  }

  get isBusy(): boolean {
    return this.#lent.length > 0;
  }

  /** @returns what ends it */
  lend(token: WireLease): () => void {
    this.#lent.push(token);
    return () => void this.#lent.splice(this.#lent.indexOf(token), 1);
  }

  /** For what is said beside the calls: the handshake, streams, the end of a session. */
  async headers(): Promise<readonly string[]> {
    const token = this.#lent.at(-1);
    return token === undefined ? [] : ['authorization', `Bearer ${token.value}`];
  }

  nonce(): void {}
}

const NOTHING: Authorization = { headers: async () => [], nonce: () => {} };
