import type { CallToConfirm, Confirmation } from '../contract/step-up.ts';
import type { FromGateway } from '../contract/zone-link.ts';

/** Nobody can confirm anything. */
const AWAY: Confirmation = { kind: 'full' };

/** Zone 1's end of its asking whether a person has confirmed a call. */
export class ConfirmationAsker {
  readonly #send: (message: FromGateway) => boolean;
  readonly #asked = new Map<number, (answer: Confirmation) => void>();
  #lastAsked = 0;

  constructor(send: (message: FromGateway) => boolean) {
    this.#send = send;
  }

  ask(call: CallToConfirm): Promise<Confirmation> {
    const id = ++this.#lastAsked;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      if (!this.#send({ kind: 'confirm', id, call })) this.answered(id, AWAY);
    });
  }

  /** Zone 0 has answered. */
  answered(id: number, answer: Confirmation): void {
    this.#asked.get(id)?.(answer);
    this.#asked.delete(id);
  }

  /** Zone 0 has gone; what was asked it will not answer. */
  lost(): void {
    for (const id of [...this.#asked.keys()]) this.answered(id, AWAY);
  }
}
