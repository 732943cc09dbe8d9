import type { EventStream, ServerSentEvent } from '../../contract/event-stream.ts';
import type { Message } from './messages.ts';

/** The answer to a request that another gateway has carried here, as a stream of events that go back there. */
export class CarriedStream implements EventStream {
  readonly #leg: number;
  readonly #say: (message: Message) => void;
  readonly #listeners: (() => void)[] = [];
  #state: EventStream['state'] = 'idle';

  constructor(leg: number, say: (message: Message) => void) {
    this.#leg = leg;
    this.#say = say;
  }

  get state(): EventStream['state'] {
    return this.#state;
  }

  open(headers?: Readonly<Record<string, string>>): void {
    if (this.#state !== 'idle') return;
    this.#state = 'open';
    this.#say({ kind: 'open', leg: this.#leg, headers });
  }

  send(event: ServerSentEvent): boolean {
    this.open();
    if (this.#state === 'closed') return false;
    this.#say({ kind: 'event', leg: this.#leg, event });
    return true;
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#say({ kind: 'end', leg: this.#leg });
    this.close();
  }

  onClosed(listener: () => void): void {
    if (this.#state === 'closed') listener();
    else this.#listeners.push(listener);
  }

  /** Nobody is there any more to be told anything. */
  close(): void {
    this.#state = 'closed';
    for (const listener of this.#listeners.splice(0)) listener();
  }
}
