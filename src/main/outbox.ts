import type { FromGateway } from '../contract/zone-link.ts';

/** Messages that are kept; who is away for longer than they last has more to find out. */
const MOST = 1000;

/** What zone 0 has to hear of, also when it was away at the time. */
export class Outbox {
  readonly #send: (message: FromGateway) => boolean;
  readonly #waiting: FromGateway[] = [];

  /** @param send false: zone 0 is not there */
  constructor(send: (message: FromGateway) => boolean) {
    this.#send = send;
  }

  tell(message: FromGateway): void {
    this.#waiting.push(message);
    if (this.#waiting.length > MOST) this.#waiting.shift();
    this.flush();
  }

  /** Sends what waits, in its order; to be called from time to time. */
  flush(): void {
    for (let [first] = this.#waiting; first !== undefined && this.#send(first); [first] = this.#waiting)
      this.#waiting.shift();
  }
}
