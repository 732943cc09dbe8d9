import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Mail, MailReceiver } from '../../../contract/mail.ts';
import type { Seals } from './seals.ts';

/** Of a replica's name: random bytes, and characters of the keyed digest that follows them. */
const NONCE = 6;
const TAG = 8;
const ENVELOPE = /^([\w-]{16})\.([1-9]\d{0,15})\.(.*)$/s;

/** What was sent to one name. */
interface Sent {
  /** Of the newest message. */
  number: number;
  /** Messages of which nobody knows yet whether they have arrived. */
  open: number;
  /** One may have. */
  isThere: boolean;
}

/**
 * Mail by Redis' publish and subscribe, which tells how many have got a message: none, where its receiver is dead. Each
 * message is sealed to its sender, its receiver and its number: what is changed, shown again or to somebody else is dropped, and
 * what is missing is told.
 */
export class RedisMail implements Mail {
  readonly me: string;
  readonly #redis: Redis;
  /** A connection that is subscribed can do nothing else. */
  readonly #subscriber: Redis;
  readonly #prefix: string;
  readonly #name: (name: string) => string;
  readonly #seals: Seals;
  readonly #sent = new Map<string, Sent>();
  /** Number of the newest message from each replica. */
  readonly #got = new Map<string, number>();
  #receiver: MailReceiver | undefined;

  /** @param name hides names: gateways of another fleet, by the same Redis, have other channels */
  constructor(redis: Redis, name: (name: string) => string, seals: Seals) {
    this.#redis = redis;
    this.#name = name;
    this.me = this.#called(randomBytes(NONCE).toString('base64url'));
    // The library would do it itself, and die of it where it fails.
    this.#subscriber = redis.duplicate({ autoResubscribe: false });
    this.#prefix = `innerkeep:mail:${name('mail')}:`;
    this.#seals = seals;
    this.#subscriber.on('error', () => undefined);
    this.#subscriber.on('ready', () => void this.#subscribe().catch(() => this.#subscriber.disconnect(true)));
    this.#subscriber.on('close', () => this.#receiver?.gap(undefined));
    this.#subscriber.on('message', (_channel: string, text: string) => this.#arrived(text));
  }

  /** Resolves when what is sent from now on arrives. */
  async open(): Promise<void> {
    await this.#subscriber.connect();
    await this.#subscribe();
  }

  close(): void {
    this.#receiver = undefined;
    this.#subscriber.disconnect();
  }

  receive(receiver: MailReceiver): void {
    this.#receiver = receiver;
  }

  async send(to: string, message: string): Promise<boolean> {
    const sent = this.#sent.get(to) ?? { number: 0, open: 0, isThere: false };
    const number = sent.number + 1;
    const sealed = this.#seals.seal('mail', about(this.me, to, number), message);
    sent.number = number;
    sent.open++;
    this.#sent.set(to, sent);
    let isThere = true;
    try {
      isThere = (await this.#redis.publish(this.#prefix + to, `${this.me}.${number}.${sealed}`)) > 0;
      return isThere;
    } finally {
      sent.open--;
      sent.isThere ||= isThere;
      // Clients name replicas, too (in the ids of tasks): what nobody is called is not remembered.
      if (!sent.isThere && sent.open === 0) this.#sent.delete(to);
    }
  }

  async others(): Promise<readonly string[]> {
    const channels = await this.#redis.pubsub('CHANNELS', `${this.#prefix}*`);
    const names = channels.map((channel) => String(channel).slice(this.#prefix.length));
    return names.filter((name) => name !== this.me && name === this.#called(name.slice(0, -TAG)));
  }

  /** The name that begins so: only who has the fleet's key can make one up, and others are not taken for replicas. */
  #called(nonce: string): string {
    return nonce + this.#name(`replica ${nonce}`).slice(0, TAG);
  }

  async #subscribe(): Promise<void> {
    await this.#subscriber.subscribe(this.#prefix + this.me);
  }

  #arrived(text: string): void {
    const [, from = '', digits = '', sealed = ''] = ENVELOPE.exec(text) ?? [];
    const [number, last] = [Number(digits), this.#got.get(from) ?? 0];
    if (number <= last) return;
    const message = this.#seals.open('mail', about(from, this.me, number), sealed);
    if (message === undefined) return;
    this.#got.set(from, number);
    if (number !== last + 1) this.#receiver?.gap(from);
    this.#receiver?.message(from, message);
  }
}

function about(from: string, to: string, number: number): string {
  return JSON.stringify([from, to, number]);
}
