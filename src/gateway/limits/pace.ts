import type { Bucket, Limits } from '../../contract/limits.ts';
import { TokenBuckets } from '../../contract/token-buckets.ts';
import type { Subject } from '../../contract/tool-call.ts';
import { tooMany } from './stage.ts';

/** Messages for one call: a client lists, pings and polls too. */
const MESSAGES = 10;
/** Addresses that are told apart, some 130 bytes each; those beyond share one bucket. */
const SOURCES = 100_000;

/** What one process bears, by itself and without asking anybody: it protects its own time. Outlives bundles. */
export class Pace {
  /** Milliseconds since whenever; never goes back or jumps. */
  readonly #steady: () => number;
  readonly #messages = new TokenBuckets();
  readonly #sources = new TokenBuckets();

  constructor(steady: () => number) {
    this.#steady = steady;
  }

  /** One message of whoever has a token. @throws Refusal rate */
  message(subject: Subject, { perSubject: { interval, burst } }: Limits): void {
    const bucket = { key: subject.key, interval: interval / MESSAGES, burst: burst * MESSAGES };
    const now = this.#steady();
    const wait = this.#messages.wait(bucket, now);
    if (wait > 0) throw tooMany(`messages of ${subject.key}`, wait);
    this.#messages.take(bucket, now);
  }

  /** A proof is about to be looked at. @throws Refusal rate, when too many of that address have been bad */
  demandSource(remote: string, { perSource }: Limits): void {
    const wait = this.#sources.wait(this.#source(remote, perSource), this.#steady());
    if (wait > 0) throw tooMany(`proofs from ${remote}`, wait);
  }

  /** It was bad. */
  badSource(remote: string, { perSource }: Limits): void {
    this.#sources.take(this.#source(remote, perSource), this.#steady());
  }

  #source(remote: string, rate: Limits['perSource']): Bucket {
    const key = sourceOf(remote);
    return { key: this.#sources.size < SOURCES || this.#sources.has(key) ? key : 'others', ...rate };
  }
}

/**
 * Whoever has one IPv6 address has the 64 bits below it too (RFC 4291 §2.5.4).
 * @param peer address and port
 */
function sourceOf(peer: string): string {
  const remote = peer.slice(0, peer.lastIndexOf(':'));
  if (!remote.includes(':') || /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(remote)) return remote.replace(/^::ffff:/i, '');
  const [head = '', tail] = remote.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after].slice(0, 4).join(':');
}
