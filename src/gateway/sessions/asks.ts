import { randomBytes } from 'node:crypto';
import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';
import { Alarm } from './alarm.ts';
import type { SessionLimits } from './limits.ts';
import type { Outlet } from './outlet.ts';

interface Pending {
  readonly call: object;
  answer(answer: RpcAnswer): void;
  giveUp(why: string): void;
}

/** The requests to the client of one session that wait for the responses that it posts. */
export class Asks {
  readonly #clock: Clock;
  readonly #limits: SessionLimits;
  readonly #pending = new Map<string, Pending>();
  /** An answer that comes late, from an earlier session of the same client, must fit no request of this one. */
  readonly #prefix = randomBytes(9).toString('base64url');
  #count = 0;

  constructor(clock: Clock, limits: SessionLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * Puts a request to the client and waits. A client that is no longer waited for is told so.
   * @param call what the request belongs to
   * @throws Refusal upstream: nobody is there, too many wait, no answer in time, the call is over
   */
  ask(call: object, outlet: Outlet, { method, params }: ServerRequest): Promise<RpcAnswer> {
    const { asks, askTimeout } = this.#limits;
    if (this.#pending.size >= asks) return refused(`${asks} requests wait for the client already`);
    const id = JSON.stringify(`${this.#prefix}-${++this.#count}`);
    const sent = outlet.send(`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${params}}`);
    if (!sent) return refused('the client has gone');

    const { promise, resolve, reject } = Promise.withResolvers<RpcAnswer>();
    const due = this.#clock.now() + askTimeout;
    const giveUp = (why: string) => {
      settled();
      outlet.send(
        `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":"no longer needed"}}`,
      );
      reject(new Refusal('upstream', why));
    };
    const alarm = new Alarm(
      this.#clock,
      () => due,
      () => giveUp('the client did not answer'),
    );
    const settled = () => {
      alarm.stop();
      this.#pending.delete(id);
    };
    const answer = (given: RpcAnswer) => {
      settled();
      resolve(given);
    };
    this.#pending.set(id, { call, answer, giveUp });
    return promise;
  }

  /** A response that nothing waits for, or no longer, is nobody's. */
  answer(id: string, answer: RpcAnswer): void {
    this.#pending.get(id)?.answer(answer);
  }

  /** Nothing of this call is waited for any more. */
  giveUp(call: object, why: string): void {
    for (const pending of [...this.#pending.values()]) if (pending.call === call) pending.giveUp(why);
  }
}

function refused(why: string): Promise<never> {
  return Promise.reject(new Refusal('upstream', why));
}
