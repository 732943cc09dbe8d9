import type { ProofWish, WireLease } from '../contract/wire-secret.ts';
import type { FromGateway, LeaseAnswer, LeaseWish } from '../contract/zone-link.ts';
import { lentValues } from './lent-values.ts';

const AWAY: LeaseAnswer = { failed: 'zone 0 is away' };

/** Zone 1's end of its asking for credentials. Values are known here while they are lent, for the log's sake alone. */
export class Lender {
  readonly #send: (message: FromGateway) => boolean;
  readonly #asked = new Map<number, (answer: LeaseAnswer) => void>();
  readonly #lent = new Map<string, WireLease>();
  readonly #proving = new Map<number, (proof: string | undefined) => void>();
  #lastAsked = 0;

  constructor(send: (message: FromGateway) => boolean) {
    this.#send = send;
  }

  lend(wish: LeaseWish): Promise<LeaseAnswer> {
    const id = ++this.#lastAsked;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      if (!this.#send({ kind: 'lease', id, wish })) this.leased(id, AWAY);
    });
  }

  /** Zone 0 has answered. */
  leased(id: number, answer: LeaseAnswer): void {
    if ('leases' in answer)
      for (const lease of answer.leases) {
        this.#lent.set(lease.id, lease);
        lentValues.hold(lease.value);
      }
    this.#asked.get(id)?.(answer);
    this.#asked.delete(id);
  }

  prove(wish: ProofWish): Promise<string | undefined> {
    const id = ++this.#lastAsked;
    return new Promise((resolve) => {
      this.#proving.set(id, resolve);
      if (!this.#send({ kind: 'prove', id, wish })) this.proved(id, undefined);
    });
  }

  /** Zone 0 has answered. */
  proved(id: number, proof: string | undefined): void {
    this.#proving.get(id)?.(proof);
    this.#proving.delete(id);
  }

  /** Zone 0 has gone; what was asked it will not answer. */
  lost(): void {
    for (const id of [...this.#asked.keys()]) this.leased(id, AWAY);
    for (const id of [...this.#proving.keys()]) this.proved(id, undefined);
  }

  giveBack(leases: readonly string[]): void {
    for (const id of leases) {
      const lease = this.#lent.get(id);
      if (lease !== undefined) lentValues.release(lease.value);
      this.#lent.delete(id);
    }
    this.#send({ kind: 'revoke', leases });
  }
}
