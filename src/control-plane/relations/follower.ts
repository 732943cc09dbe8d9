import type { PolicySource } from '../../contract/bundle.ts';
import type { Clock } from '../../contract/clock.ts';
import type { OpenFgaSettings } from '../config/relations.ts';
import { type OpenFgaStore, RelationsFault } from './openfga.ts';
import { tuplesText } from './tuples.ts';

/** Milliseconds between two looks at what has changed. */
const EVERY = 5000;

export interface FollowerDeps {
  readonly store: Pick<OpenFgaStore, 'read' | 'follow' | 'tuples'>;
  readonly settings: Pick<OpenFgaSettings, 'users' | 'groups' | 'away'>;
  readonly clock: Clock;
  /** Who is in which groups is otherwise now. */
  readonly changed: () => void;
  /** Somebody should look at this now; undefined: it is over. */
  readonly alert: (detail: string | undefined) => void;
}

/**
 * Who is in which groups, as a store says it now. While it is away, or says what cannot be understood, what it said last counts for
 * a stated time; then nobody is in its groups. Either is an alert.
 */
export class RelationsFollower {
  readonly #deps: FollowerDeps;
  #text = '';
  #heard = 0;
  #isFollowing = false;
  #cancel = (): void => undefined;
  #isClosed = false;

  constructor(deps: FollowerDeps) {
    this.#deps = deps;
  }

  /** What a bundle has of it. */
  get sources(): readonly PolicySource[] {
    return this.#text === '' ? [] : [{ file: 'openfga.tuples', text: this.#text }];
  }

  /** @throws RelationsFault: zone 0 does not start without knowing who is in which groups */
  async start(): Promise<void> {
    await this.#look();
    this.#later();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #later(): void {
    if (!this.#isClosed) this.#cancel = this.#deps.clock.setTimer(() => void this.#turn(), EVERY);
  }

  async #turn(): Promise<void> {
    const { alert, clock, settings } = this.#deps;
    const wasFollowing = this.#isFollowing;
    try {
      if (await this.#look()) this.#deps.changed();
      if (!wasFollowing) alert(undefined);
    } catch (error) {
      if (!(error instanceof RelationsFault)) throw error;
      this.#isFollowing = false;
      const isOver = clock.now() - this.#heard > settings.away;
      if (wasFollowing || (isOver && this.#text !== ''))
        alert(`the store of relations: ${error.message}${isOver ? '; nobody is in its groups any more' : ''}`);
      if (isOver && this.#text !== '') {
        this.#text = '';
        this.#deps.changed();
      }
    } finally {
      this.#later();
    }
  }

  /** What was missed is read anew. @returns whether anything is otherwise */
  async #look(): Promise<boolean> {
    const { store, settings, clock } = this.#deps;
    if (!this.#isFollowing) await store.read();
    const hasMore = await store.follow();
    const text = hasMore || !this.#isFollowing ? tuplesText(store.tuples, settings) : this.#text;
    const isOther = text !== this.#text;
    [this.#text, this.#heard, this.#isFollowing] = [text, clock.now(), true];
    return isOther;
  }
}
