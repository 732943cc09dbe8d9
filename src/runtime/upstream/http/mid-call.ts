import { Asides } from '../asides.ts';
import type { Message } from '../message.ts';
import { type UpstreamCall, UpstreamFailure } from '../upstream.ts';
import { bad } from './failures.ts';
import type { Wire } from './wire.ts';

/** Milliseconds that clients may take over one call, all in all. */
const MAX_PAUSE = 10 * 60 * 1000;

/** The request during which it happens. */
export interface During {
  /** Of the messages that go back to the server. */
  readonly headers: string[];
  readonly modern: boolean;
  /** Undefined: a request of our own, of which nobody hears more than the answer. */
  readonly call: UpstreamCall | undefined;
}

/** What a server sends and asks beside its answer. The deadline stands still while the client is asked. */
export class MidCall {
  readonly #wire: Wire;
  readonly #during: During;
  readonly #asides: Asides;
  readonly #resume: (paused: number) => void;
  readonly #refuse: (failure: UpstreamFailure) => void;
  #since: number | undefined;
  #spent = 0;

  /**
   * @param resume called when the server waits for the client no more, with the milliseconds that it took
   * @param refuse called when the client cannot be waited for
   */
  constructor(
    wire: Wire,
    during: During,
    resume: (paused: number) => void,
    refuse: (failure: UpstreamFailure) => void,
  ) {
    const { call, headers } = during;
    this.#wire = wire;
    this.#during = during;
    this.#resume = resume;
    this.#refuse = refuse;
    this.#asides = new Asides({
      notify: call && ((message) => call.notify(message)),
      ask: call && ((request) => call.ask(request)),
      respond: (response) => wire.side.post(headers, response),
      onAsking: (open) => this.#onAsking(open),
    });
  }

  /** When the client must have answered; undefined: it is not asked now. */
  get until(): number | undefined {
    return this.#since === undefined ? undefined : this.#since + MAX_PAUSE - this.#spent;
  }

  /** @throws UpstreamFailure */
  receive(message: Exclude<Message, { kind: 'answer' }>): void {
    if (message.kind === 'request' && this.#during.modern) throw bad('a request (removed in MCP 2026-07-28)');
    this.#wire.stale.heardOf(message);
    this.#asides.receive(message);
  }

  /** @returns milliseconds for which a client was still waited for */
  end(): number {
    this.#asides.end();
    return this.#goOn();
  }

  /** Not every connection may wait for people. */
  #onAsking(open: boolean): void {
    const { held, watch } = this.#wire;
    const subject = this.#during.call?.subject ?? '';
    if (!open) this.#resume(this.#goOn());
    else if (held.mayHold(subject)) {
      held.hold(subject);
      this.#since = watch.now;
    } else this.#refuse(new UpstreamFailure('overload', 'too many calls wait for their clients'));
  }

  #goOn(): number {
    if (this.#since === undefined) return 0;
    const took = this.#wire.watch.now - this.#since;
    this.#since = undefined;
    this.#spent += took;
    this.#wire.held.release(this.#during.call?.subject ?? '');
    return took;
  }
}
