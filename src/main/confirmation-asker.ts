import type { CallToConfirm, Confirmation } from '../contract/step-up.ts';
import type { FromGateway } from '../contract/zone-link.ts';

/** Zone 1's end of its asking whether a person has confirmed a call. */
export class ConfirmationAsker {
  readonly #send: (message: FromGateway) => void;
  readonly #asked = new Map<number, (answer: Confirmation) => void>();
  #lastAsked = 0;

  constructor(send: (message: FromGateway) => void) {
    this.#send = send;
  }

  ask(call: CallToConfirm): Promise<Confirmation> {
    const id = ++this.#lastAsked;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#send({ kind: 'confirm', id, call });
    });
  }

  /** Zone 0 has answered. */
  answered(id: number, answer: Confirmation): void {
    this.#asked.get(id)?.(answer);
    this.#asked.delete(id);
  }
}
