import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';

interface Open extends ServerRequest {
  readonly answered: (answer: RpcAnswer) => void;
  readonly lost: (why: string) => void;
}

/**
 * What a server asks in the course of a task of 2026-07-28: shown with the task, answered by `tasks/update`. Keys are
 * ours, and each is used once in the task's life (Task Update Requests).
 */
export class Inputs {
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #open = new Map<string, Open>();
  #lastKey = 0;
  #ended = false;

  /** @param timeout milliseconds that a question waits for its answer */
  constructor(clock: Clock, timeout: number) {
    this.#clock = clock;
    this.#timeout = timeout;
  }

  get isAsking(): boolean {
    return this.#open.size > 0;
  }

  /** Raw JSON: the InputRequests that are open. */
  get shown(): string {
    const requests = [...this.#open].map(([key, { method, params }]) => {
      return `"${key}":{"method":${JSON.stringify(method)},"params":${params}}`;
    });
    return `{${requests.join(',')}}`;
  }

  /** @throws Refusal upstream when nobody answers in time, or the task is over */
  ask(request: ServerRequest): Promise<RpcAnswer> {
    return new Promise((resolve, reject) => {
      const key = `input-${++this.#lastKey}`;
      const stop = this.#clock.setTimer(() => lost('nobody answered what the task asked'), this.#timeout);
      const close = (): void => {
        stop();
        this.#open.delete(key);
      };
      const answered = (answer: RpcAnswer): void => {
        close();
        resolve(answer);
      };
      const lost = (why: string): void => {
        close();
        reject(new Refusal('upstream', why));
      };
      this.#open.set(key, { ...request, answered, lost });
      if (this.#ended) lost('the task is over');
    });
  }

  /** Answers to what is not asked, or no more, are nobody's. @param raws raw results by key */
  answer(raws: ReadonlyMap<string, string>): void {
    for (const [key, raw] of raws) this.#open.get(key)?.answered({ kind: 'result', raw });
  }

  /** Nobody will be asked any more. */
  end(): void {
    this.#ended = true;
    for (const { lost } of [...this.#open.values()]) lost('the task is over');
  }
}
