import type { Carrier } from './carrier.ts';
import type { Channel } from './channel.ts';
import type { Outlet } from './outlet.ts';

/** The answer to one POST: a stream of its own from the first thing on that is said before the answer. */
export class PostOutlet implements Outlet {
  readonly #carry: () => Carrier | undefined;
  readonly #open: () => Channel;
  readonly #over: () => void;
  #calls = 0;
  #channel: Channel | undefined;

  /**
   * @param carry gives the POST's own connection; undefined: it is gone
   * @param over called when the last call has left
   */
  constructor(carry: () => Carrier | undefined, open: () => Channel, over: () => void) {
    this.#carry = carry;
    this.#open = open;
    this.#over = over;
  }

  join(): void {
    this.#calls++;
  }

  send(message: string): boolean {
    const channel = this.#channel ?? this.#start();
    channel?.send(message);
    return channel !== undefined;
  }

  leave(answer: string | undefined): void {
    if (answer !== undefined) this.#channel?.send(answer);
    if (--this.#calls > 0) return;
    this.#channel?.finish();
    this.#over();
  }

  /** A client that went away before it saw an event has no id to come back with. */
  #start(): Channel | undefined {
    const carrier = this.#carry();
    if (carrier === undefined) return undefined;
    this.#channel = this.#open();
    this.#channel.attach(carrier);
    return this.#channel;
  }
}
