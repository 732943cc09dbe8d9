import { hash, randomUUID } from 'node:crypto';
import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Arrived, Subject } from '../../contract/tool-call.ts';
import { type Bearer, Carrier } from './carrier.ts';
import { Channel, parseEventId } from './channel.ts';
import { EventLog, type EventStore } from './event-log.ts';
import type { Outlet } from './outlet.ts';
import { PostOutlet } from './post-outlet.ts';

/** The streams of one session, and what it says on them. */
export interface Streams {
  /** Whether a client is connected. */
  readonly isOpen: boolean;
  outlet(call: Bearer): Outlet;
  /** Says what belongs to no call. */
  notify(message: string): void;
  /** Ends the connections that were opened by these subjects. */
  revoke(which: (subject: Subject) => boolean): void;
  end(): void;
}

export interface StreamDeps {
  /** The session's id. */
  readonly session: string;
  readonly clock: Clock;
  /** Called when a connection is over. */
  readonly onOver: () => void;
}

/**
 * The streams of a session over streamable HTTP: one for each POST that needs one, one for all else, and a log from
 * which a lost connection is made good (MCP 2025-03-26 to 2025-11-25 transports).
 */
export class ResumableStreams implements Streams {
  readonly #deps: StreamDeps;
  readonly #primes: boolean;
  readonly #isTakenUp: boolean;
  readonly #log: EventLog;
  readonly #channels = new Map<string, Channel>();
  readonly #carriers = new Set<Carrier>();
  readonly #posts = new Map<Arrived, PostOutlet>();
  #standalone: Channel | undefined;
  #ended = false;

  /** @param isTakenUp the session has had another replica before, whose events are lost */
  constructor(deps: StreamDeps, store: EventStore, primes: boolean, isTakenUp: boolean) {
    this.#deps = deps;
    this.#isTakenUp = isTakenUp;
    this.#log = new EventLog(store);
    this.#primes = primes;
  }

  get isOpen(): boolean {
    return this.#carriers.size > 0;
  }

  /** The calls of a batch share the POST that they came in. */
  outlet(call: Bearer): Outlet {
    const { arrived } = call;
    const shared = this.#posts.get(arrived);
    if (shared !== undefined) return shared;
    const outlet = new PostOutlet(
      () => this.#carry(call),
      () => this.#open(),
      () => this.#posts.delete(arrived),
    );
    this.#posts.set(arrived, outlet);
    return outlet;
  }

  /** What nobody has been there to read is not kept twice: such news only say that something is no longer as it was. */
  notify(message: string): void {
    if (this.#ended) return;
    this.#standalone ??= this.#openStandalone();
    if (this.#standalone.isCarried || !this.#standalone.isWaiting(message)) this.#standalone.send(message);
  }

  /**
   * A GET: goes on with the stream that the event id belongs to, or opens the one that belongs to no call.
   * @returns undefined where nothing is missing and nothing will come
   * @throws Refusal invalid-request for an id that is not of this session, stream-taken
   */
  listen(call: Bearer, lastEventId: string | undefined): Carrier | undefined {
    if (lastEventId === undefined) {
      this.#standalone ??= this.#openStandalone();
      if (this.#standalone.isCarried) throw new Refusal('stream-taken', 'a second GET');
      return this.#attach(this.#standalone, call);
    }
    const { channel, seq } = this.#find(lastEventId);
    return channel.hasMore(seq) ? this.#attach(channel, call, seq) : undefined;
  }

  revoke(which: (subject: Subject) => boolean): void {
    for (const carrier of [...this.#carriers]) if (which(carrier.subject)) carrier.end();
  }

  end(): void {
    this.#ended = true;
    for (const channel of [...this.#channels.values()]) channel.finish();
    for (const carrier of [...this.#carriers]) carrier.end();
    this.#log.clear();
    this.#posts.clear();
  }

  #find(lastEventId: string): { readonly channel: Channel; readonly seq: number } {
    const id = parseEventId(lastEventId);
    // The replica before had others, too, which are lost with it.
    if (this.#isTakenUp && id?.channel === standaloneId(this.#deps.session))
      this.#standalone ??= this.#openStandalone();
    const channel = id && this.#channels.get(id.channel);
    if (!id || !channel?.has(id.seq)) throw new Refusal('invalid-request', 'Last-Event-ID of no stream of the session');
    return { channel, seq: id.seq };
  }

  #attach(channel: Channel, call: Bearer, seq?: number): Carrier | undefined {
    const carrier = this.#carry(call);
    if (carrier !== undefined) channel.attach(carrier, seq);
    return carrier;
  }

  #open(id: string = randomUUID(), seq = 0): Channel {
    const channel = new Channel(id, seq, this.#log, this.#primes, () => this.#channels.delete(id));
    this.#channels.set(id, channel);
    return channel;
  }

  #openStandalone(): Channel {
    const { session, clock } = this.#deps;
    // Events of the replica before have lower numbers: it has not given a hundred in each second of its time.
    return this.#open(standaloneId(session), this.#isTakenUp ? Math.floor(clock.now() / 10) : 0);
  }

  #carry(call: Bearer): Carrier | undefined {
    const { clock, onOver } = this.#deps;
    if (this.#ended || call.arrived.events.state === 'closed' || call.until <= clock.now()) return undefined;
    const carrier = new Carrier(call, clock, (over) => {
      this.#carriers.delete(over);
      onOver();
    });
    this.#carriers.add(carrier);
    return carrier;
  }
}

/** The same at whatever replica: shaped like the others' random ids, and as hard to guess as the session's. */
function standaloneId(session: string): string {
  const digest = hash('sha256', `standalone stream of ${session}`, 'hex');
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    digest.slice(12, 16),
    digest.slice(16, 20),
    digest.slice(20, 32),
  ].join('-');
}
