import type { Clock } from '../../contract/clock.ts';
import type { EventStream, ServerSentEvent } from '../../contract/event-stream.ts';
import type { Arrived, Subject } from '../../contract/tool-call.ts';
import { Alarm } from './alarm.ts';

/** What came in with a good token; `until` is when that ends. */
export interface Bearer {
  readonly arrived: Arrived;
  readonly subject: Subject;
  readonly until: number;
}

/** One HTTP response that carries events. It does not outlive the token that it was asked for with. */
export class Carrier {
  readonly subject: Subject;
  /** Settled when it is over. */
  readonly over: Promise<void>;
  readonly #events: EventStream;
  readonly #alarm: Alarm;
  readonly #finish: () => void;
  #ended = false;

  /** @param onOver called once */
  constructor({ arrived, subject, until }: Bearer, clock: Clock, onOver: (carrier: Carrier) => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.subject = subject;
    this.over = promise;
    this.#events = arrived.events;
    this.#finish = () => {
      resolve();
      onOver(this);
    };
    this.#alarm = new Alarm(
      clock,
      () => until,
      () => this.end(),
    );
    this.#events.onClosed(() => this.end());
  }

  get isOver(): boolean {
    return this.#ended;
  }

  open(): void {
    if (!this.#ended) this.#events.open();
  }

  /** @returns whether it was written; what was written need not have arrived */
  send(event: ServerSentEvent): boolean {
    return !this.#ended && this.#events.send(event);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#alarm.stop();
    this.#events.end();
    this.#finish();
  }
}
