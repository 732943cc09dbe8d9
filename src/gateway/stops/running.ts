import type { Caller } from '../../contract/caller.ts';
import { Refusal } from '../../contract/refusal.ts';
import { isStopped, type Stop } from '../../contract/stops.ts';
import type { Admitted, Confirmed, Executed, Subject } from '../../contract/tool-call.ts';
import { StoppableCaller } from './stoppable.ts';

/** The calls that run at this gateway, and what of them the operator has stopped. Outlives bundles. */
export class Running {
  readonly #calls = new Map<StoppableCaller, Admitted>();
  readonly #isGood: (subject: Subject) => boolean;
  #stops: readonly Stop[] = [];

  /** @param isGood whether a token that was let in is still good, by the newest bundle */
  constructor(isGood: (subject: Subject) => boolean) {
    this.#isGood = isGood;
  }

  /**
   * What is stopped now, whatever bundle the call began with, does not go on; nor does a call that has waited while its token
   * was revoked. @throws Refusal stopped, unauthenticated
   */
  demand(call: Confirmed | Admitted): void {
    if (isStopped(call, this.#stops)) throw stopped();
    if (!this.#isGood(call.subject)) throw new Refusal('unauthenticated', 'revoked while its call waited');
  }

  /** Has a call run until it is over or stopped. */
  async run(
    call: Admitted,
    caller: Caller,
    execute: (call: Admitted, caller: Caller) => Promise<Executed>,
  ): Promise<Executed> {
    // It may have been stopped while its intent was written.
    this.demand(call);
    const stoppable = new StoppableCaller(caller);
    this.#calls.set(stoppable, call);
    try {
      return await execute(call, stoppable);
    } catch (error) {
      throw stoppable.isStopped ? stopped() : error;
    } finally {
      stoppable.over();
      this.#calls.delete(stoppable);
    }
  }

  /** From now on this is stopped, and what of it runs ends. */
  stop(stops: readonly Stop[]): void {
    this.#stops = stops;
    for (const [stoppable, call] of [...this.#calls]) if (isStopped(call, stops)) stoppable.stop(stopped());
  }
}

function stopped(): Refusal {
  return new Refusal('stopped', 'the operator has stopped it');
}
