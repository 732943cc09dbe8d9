import type { Caller } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';

type Ask = NonNullable<Caller['ask']>;

interface Waiting {
  readonly found: (ask: Ask) => void;
  readonly lost: (why: string) => void;
}

/** What a server asks in the course of a task: put to the client when it waits for the task's result, and not before. */
export class Questions {
  readonly #clock: Clock;
  readonly #timeout: number;
  /** The requests for the result on whose streams the client can be asked; the newest is the most alive. */
  readonly #open = new Set<Ask>();
  readonly #waiting = new Set<Waiting>();
  #asking = 0;
  #ended = false;

  /** @param timeout milliseconds that a question waits for somebody to be asked */
  constructor(clock: Clock, timeout: number) {
    this.#clock = clock;
    this.#timeout = timeout;
  }

  get isAsking(): boolean {
    return this.#asking > 0;
  }

  /** Somebody waits for the result and can be asked, until what is given back is called. */
  join(ask: Ask): () => void {
    this.#open.add(ask);
    for (const { found } of [...this.#waiting]) found(ask);
    return () => void this.#open.delete(ask);
  }

  /** @throws Refusal upstream, and those of the client's session */
  async ask(request: ServerRequest): Promise<RpcAnswer> {
    this.#asking++;
    try {
      const ask = [...this.#open].at(-1) ?? (await this.#somebody());
      return await ask(request);
    } finally {
      this.#asking--;
    }
  }

  /** Nobody will be asked any more. */
  end(): void {
    this.#ended = true;
    for (const { lost } of [...this.#waiting]) lost('the task is over');
  }

  #somebody(): Promise<Ask> {
    const { promise, resolve, reject } = Promise.withResolvers<Ask>();
    const lost = (why: string): void => {
      stop();
      reject(new Refusal('upstream', why));
    };
    const found = (ask: Ask): void => {
      stop();
      resolve(ask);
    };
    const waiting = { found, lost };
    const cancelTimer = this.#clock.setTimer(() => lost('nobody asked for the result of the task'), this.#timeout);
    const stop = (): void => {
      cancelTimer();
      this.#waiting.delete(waiting);
    };
    this.#waiting.add(waiting);
    if (this.#ended) lost('the task is over');
    return promise;
  }
}
