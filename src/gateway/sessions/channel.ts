import type { Carrier } from './carrier.ts';
import type { EventLog, KeptEvent } from './event-log.ts';

/** Milliseconds after which a client that lost a connection comes back. */
const RETRY = 1_000;

/** An event's id: the channel's random name, and the event's place in it. */
const EVENT_ID = /^([\da-f-]{36})\.(0|[1-9]\d{0,11})$/;

/** @returns undefined for what is no event id of ours */
export function parseEventId(id: string): { readonly channel: string; readonly seq: number } | undefined {
  const [, channel, seq] = EVENT_ID.exec(id) ?? [];
  return channel === undefined ? undefined : { channel, seq: Number(seq) };
}

/**
 * One stream of events as the client sees it, whatever connection carries it: it goes on where a lost one ended
 * (MCP 2025-11-25 transports, Resumability and Redelivery).
 */
export class Channel {
  readonly id: string;
  readonly #log: EventLog;
  readonly #primes: boolean;
  readonly #forgotten: () => void;
  #carrier: Carrier | undefined;
  /** The newest event, and the newest that was written to a connection. */
  #seq: number;
  #reached: number;
  #kept = 0;
  #finished = false;

  /**
   * @param id random, or as hard to guess
   * @param seq the number that its events begin behind
   * @param primes whether clients know events without data, which only give an id to come back with (2025-11-25)
   * @param forgotten called when it has ended and nothing of it can be asked for any more
   */
  constructor(id: string, seq: number, log: EventLog, primes: boolean, forgotten: () => void) {
    this.id = id;
    this.#seq = seq;
    this.#reached = seq;
    this.#log = log;
    this.#primes = primes;
    this.#forgotten = forgotten;
  }

  get isCarried(): boolean {
    return this.#carrier !== undefined && !this.#carrier.isOver;
  }

  /** Whether `seq` is a place that a client can have come to. */
  has(seq: number): boolean {
    return seq <= this.#seq;
  }

  /** Whether there is something for a client that has come to `seq`, now or later. */
  hasMore(seq: number): boolean {
    return !this.#finished || this.#log.after(this, seq).length > 0;
  }

  /** Whether no client has ever been sent this message, which waits for one. */
  isWaiting(message: string): boolean {
    return this.#log.after(this, this.#reached).some(({ data }) => data === message);
  }

  send(message: string): void {
    if (this.#finished) return;
    const seq = ++this.#seq;
    if (this.#log.add(this, seq, message)) this.#kept++;
    this.#carry({ seq, data: message });
  }

  /**
   * Goes on, on this connection, behind `seq`, with all that is kept; a connection that it had is ended.
   * @param seq absent: behind what was written so far
   */
  attach(carrier: Carrier, seq = this.#reached): void {
    this.#carrier?.end();
    this.#carrier = carrier;
    carrier.open();
    if (this.#primes) carrier.send({ id: this.#idOf(seq), retry: RETRY, data: '' });
    for (const event of this.#log.after(this, seq)) this.#carry(event);
    if (this.#finished) carrier.end();
  }

  /** Nothing comes any more; what is kept can still be asked for. */
  finish(): void {
    this.#finished = true;
    this.#carrier?.end();
    this.#carrier = undefined;
    this.#forget();
  }

  dropped(): void {
    this.#kept--;
    this.#forget();
  }

  #carry({ seq, data }: Pick<KeptEvent, 'seq' | 'data'>): void {
    if (this.#carrier?.send({ id: this.#idOf(seq), data })) this.#reached = Math.max(this.#reached, seq);
  }

  #idOf(seq: number): string {
    return `${this.id}.${seq}`;
  }

  #forget(): void {
    if (this.#finished && this.#kept === 0) this.#forgotten();
  }
}
