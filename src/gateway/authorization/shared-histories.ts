import type { SessionFacts } from '../../contract/policy-engine.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Kept, Records } from '../../contract/state-store.ts';
import { History } from './history.ts';

const KIND = 'history';
/** Milliseconds after which it is written again, so that it is not forgotten while it is used. */
const RENEWAL = 5 * 60_000;
/** Attempts to write what others write at the same time. */
const TRIES = 32;
/** Histories that are given back to the store at a time. */
const CHUNK = 500;

/** A history as one of several gateways has it. */
export interface Known {
  readonly history: History;
  /** What the store has of it, as far as this gateway has seen; undefined: it has not looked. */
  stored?: History;
}

interface Written extends SessionFacts {
  readonly last: number;
}

/** Histories in the store that gateways share, sealed: each is the union of what they know of it. */
export class SharedHistories {
  readonly #now: () => number;
  readonly #records: Records;
  readonly #life: number;

  /** @param idle milliseconds without a call, for which they are remembered */
  constructor(now: () => number, records: Records, idle: number) {
    this.#now = now;
    this.#records = records;
    this.#life = idle + RENEWAL;
  }

  /** @returns whether anybody has written of it @throws StateUnavailable */
  async look(id: string, known: Known): Promise<boolean> {
    return (await this.#read(id, known, this.#records)) !== undefined;
  }

  /**
   * Resolves when all who look will know.
   * @param counts whether how often something was called matters
   * @throws Refusal unavailable; StateUnavailable
   */
  async save(id: string, known: Known, counts: boolean, records: Records = this.#records): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (!counts && !this.#isDue(known)) return;
      if (await this.#write(id, known, await this.#read(id, known, records), records)) return;
    }
    throw new Refusal('unavailable', 'a history that others write all the time');
  }

  /**
   * Gives all of them back to a store that may have lost them. One that it has and will not let be replaced keeps nobody
   * from the others: whoever is judged by it is refused.
   * @throws StateUnavailable
   */
  async refill(all: readonly (readonly [string, Known])[], records: Records): Promise<void> {
    for (let at = 0; at < all.length; at += CHUNK)
      await Promise.all(
        all.slice(at, at + CHUNK).map(async ([id, known]) => {
          const kept = await this.#read(id, known, records);
          if (!this.#isDue(known) || (await this.#write(id, known, kept, records))) return;
          await this.save(id, known, false, records).catch((error: unknown) => {
            if (!(error instanceof Refusal)) throw error;
          });
        }),
      );
  }

  #isDue({ history, stored }: Known): boolean {
    const now = this.#now();
    const isNews = !(stored ?? new History(now)).covers(history.facts);
    return isNews || (stored !== undefined && now - stored.last >= RENEWAL);
  }

  /** @returns false where others have written since it was read */
  async #write(id: string, known: Known, kept: Kept | undefined, records: Records): Promise<boolean> {
    const [now, { facts }] = [this.#now(), known.history];
    const text = JSON.stringify({ ...facts, last: now } satisfies Written);
    if (!(await records.write(KIND, id, text, this.#life, kept ?? null))) return false;
    known.stored = new History(now, facts);
    known.history.told();
    return true;
  }

  async #read(id: string, known: Known, records: Records): Promise<Kept | undefined> {
    const kept = await records.read(KIND, id);
    const written: Written | undefined = kept && JSON.parse(kept.text);
    known.stored = new History(written?.last ?? this.#now(), written);
    if (written !== undefined) known.history.learn(written);
    return kept;
  }
}
