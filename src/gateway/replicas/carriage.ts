import type { Answer } from '../../contract/answer.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Mail } from '../../contract/mail.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Arrived, ArrivedRequest, Authenticated, Framed } from '../../contract/tool-call.ts';
import { CarriedStream } from './carried-stream.ts';
import type { Carried, Message } from './messages.ts';

/** Requests that are on their way to other gateways, or here for them, at a time; each way. */
const MOST = 4096;
/** Milliseconds between two looks whether the other ends of requests on their way still live. */
const PULSE = 1000;
/** Milliseconds without a word of theirs after which they do not: a machine without power is still subscribed for minutes. */
const SILENCE = 10 * PULSE;

export interface CarriageDeps {
  readonly mail: Mail;
  readonly clock: Clock;
  /** Makes a request of what was carried here. */
  readonly arrive: (request: ArrivedRequest) => Arrived;
  /** The pipeline. */
  readonly handle: (call: Arrived) => Promise<Answer>;
}

export interface Manner {
  /** Headers that it is to have otherwise. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Aborted when its answer is wanted no more, though its client is still there. */
  readonly signal?: AbortSignal;
}

/** A request that another gateway answers. */
interface Out {
  readonly to: string;
  readonly arrived: Arrived;
  answered(answer: Answer): void;
  lost(why: string): void;
}

/** A request that came to another gateway, and is answered here. */
interface In {
  readonly from: string;
  readonly stream: CarriedStream;
  readonly gone: AbortController;
}

/**
 * Has requests answered by the gateway that has what they are about, while their clients stay connected to the one that
 * they came to: the request goes there as it is, once it is known whose it is, walks the whole line there, and its answer and
 * events come back. It is lost with either gateway.
 */
export class Carriage {
  readonly #deps: CarriageDeps;
  readonly #out = new Map<number, Out>();
  readonly #in = new Map<string, In>();
  /** When each of those ends was last heard, or first waited for. */
  #heard = new Map<string, number>();
  #last = 0;
  #stopPulse: (() => void) | undefined;

  /** @param unsettled called when what anybody has sent may have been lost */
  constructor(deps: CarriageDeps, unsettled: () => void) {
    this.#deps = deps;
    deps.mail.receive({
      message: (from, text) => {
        try {
          this.#hear(from, JSON.parse(text));
        } catch {
          this.#lose(from, 'says what is no message');
        }
      },
      gap: (from) => {
        this.#lose(from, 'a message was lost');
        if (from === undefined) unsettled();
      },
    });
  }

  /**
   * @returns undefined where nobody of that name is there: then nothing has happened
   * @throws Refusal unavailable when that gateway is lost meanwhile, overload, and those of reading the body;
   * StateUnavailable
   */
  async carry(
    to: string,
    call: Authenticated | Framed,
    { headers = {}, signal }: Manner = {},
  ): Promise<Answer | undefined> {
    const { arrived, subject, until } = call;
    if (this.#out.size >= MOST) throw new Refusal('overload', `${MOST} requests are on their way to other gateways`);
    const { incident, at, remote, server, transport, httpMethod, query } = arrived;
    const body = httpMethod === 'POST' ? Buffer.from(await arrived.body()).toString('base64') : '';
    const head = { incident, at, remote, server, transport, httpMethod, query };
    const carried: Carried = { head: { ...head, headers: { ...arrived.headers, ...headers } }, body, subject, until };
    const leg = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    // Whoever stops waiting for it below has not heard of that loss.
    promise.catch(() => undefined);
    this.#out.set(leg, {
      to,
      arrived,
      answered: resolve,
      lost: (why) => reject(new Refusal('unavailable', `the gateway that had it: ${why}`)),
    });
    try {
      if (!(await this.#deps.mail.send(to, JSON.stringify({ kind: 'request', leg, carried })))) return undefined;
      const gone = (): void => {
        if (this.#out.has(leg)) this.#say(to, { kind: 'gone', leg });
      };
      arrived.events.onClosed(gone);
      signal?.addEventListener('abort', gone, { once: true });
      if (signal?.aborted) gone();
      this.#watch();
      return await promise;
    } finally {
      this.#out.delete(leg);
    }
  }

  close(): void {
    this.#stopPulse?.();
    this.#lose(undefined, 'the gateway stops');
  }

  #hear(from: string, message: Message): void {
    if (this.#heard.has(from)) this.#heard.set(from, this.#deps.clock.now());
    switch (message.kind) {
      case 'pulse':
        break;
      case 'request':
        this.#take(from, message.leg, message.carried);
        break;
      case 'gone':
        this.#in.get(keyOf(from, message.leg))?.gone.abort();
        break;
      default: {
        const out = this.#out.get(message.leg);
        if (out?.to === from) backAt(out, message);
      }
    }
  }

  #take(from: string, leg: number, { head, body, subject, until }: Carried): void {
    if (this.#in.size >= MOST) {
      this.#say(from, { kind: 'answer', leg, answer: FULL });
      return;
    }
    const key = keyOf(from, leg);
    const stream = new CarriedStream(leg, (message) => this.#say(from, message));
    const gone = new AbortController();
    gone.signal.addEventListener('abort', () => stream.close(), { once: true });
    this.#in.set(key, { from, stream, gone });
    this.#watch();
    const call = this.#deps.arrive({
      ...head,
      vouched: { subject, until },
      signal: gone.signal,
      events: stream,
      body: () => Promise.resolve(Buffer.from(body, 'base64')),
    });
    const done = (answer: Answer): void => {
      this.#say(from, { kind: 'answer', leg, answer });
      this.#in.delete(key);
      stream.close();
    };
    this.#deps.handle(call).then(done, () => done(FAULT));
  }

  /** A message that cannot be sent is missed by its receiver, or by the next pulse. */
  #say(to: string, message: Message): void {
    this.#deps.mail.send(to, JSON.stringify(message)).then(
      (received) => received || this.#lose(to, 'is not there any more'),
      () => this.#lose(to, 'cannot be reached'),
    );
  }

  /** What is between us and that gateway, or any, has come to its end. */
  #lose(peer: string | undefined, why: string): void {
    for (const [leg, { to, lost }] of [...this.#out]) {
      if (peer !== undefined && to !== peer) continue;
      this.#out.delete(leg);
      lost(why);
    }
    for (const [key, { from, gone }] of [...this.#in]) {
      if (peer !== undefined && from !== peer) continue;
      this.#in.delete(key);
      gone.abort();
    }
  }

  #watch(): void {
    this.#stopPulse ??= this.#deps.clock.setTimer(() => {
      this.#stopPulse = undefined;
      this.#pulse(this.#deps.clock.now());
      if (this.#heard.size > 0) this.#watch();
    }, PULSE);
  }

  #pulse(now: number): void {
    const before = this.#heard;
    this.#heard = new Map();
    for (const { to } of this.#out.values()) this.#heard.set(to, before.get(to) ?? now);
    for (const { from } of this.#in.values()) this.#heard.set(from, before.get(from) ?? now);
    for (const [peer, heard] of this.#heard) {
      if (now - heard < SILENCE) this.#say(peer, { kind: 'pulse' });
      else this.#lose(peer, 'is silent');
    }
  }
}

const FULL: Answer = { status: 503, headers: { 'retry-after': '1' }, body: '' };
const FAULT: Answer = { status: 500, headers: {}, body: '' };

type Back = Exclude<Message, { kind: 'pulse' | 'request' | 'gone' }>;

function backAt({ arrived: { events }, answered }: Out, message: Back): void {
  if (message.kind === 'open') events.open(message.headers);
  else if (message.kind === 'event') events.send(message.event);
  else if (message.kind === 'end') events.end();
  else answered(message.answer);
}

function keyOf(from: string, leg: number): string {
  return `${from} ${leg}`;
}
