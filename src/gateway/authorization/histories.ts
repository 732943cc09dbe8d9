import type { SessionFacts } from '../../contract/policy-engine.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Soon, when } from '../../contract/soon.ts';
import { type Records, StateUnavailable } from '../../contract/state-store.ts';
import type { Subject } from '../../contract/tool-call.ts';
import type { UpstreamSession } from '../../contract/upstream.ts';
import { type Entry, History } from './history.ts';
import type { HistoryUse } from './history-use.ts';
import { type Known, SharedHistories } from './shared-histories.ts';

/** Milliseconds without a call, after which a client without sessions begins anew. */
const IDLE = 60 * 60_000;
/** Histories that are remembered. */
const MOST = 60_000;

/** What a call was judged to be, and what it is entered as where it goes on its way. */
export interface Judged<T> {
  readonly outcome: T;
  readonly entry?: Entry;
}

/** Whose history it is: of one session or, where none is kept, of all that its subject does. */
interface Place {
  readonly id: string;
  readonly session: UpstreamSession | undefined;
}

interface Remembered extends Known {
  readonly ofSession: boolean;
}

/**
 * What has happened in each session: which labels of data were read and written, how often which tool was called, what a
 * person approved. A call counts from its admission on, so that none in flight can be raced past. There are as many as
 * sessions, and one for each subject that keeps none. They outlive bundles; where gateways share a store, this process too.
 */
export class Histories {
  readonly #now: () => number;
  readonly #all = new Map<string, Remembered>();
  readonly #shared: SharedHistories | undefined;
  /** By id, while something is judged of which the answer takes time: settled when the last of them is over. */
  readonly #turns = new Map<string, Promise<void>>();

  /** @param records of the store that gateways share; absent: there are no others */
  constructor(now: () => number, records?: Records) {
    this.#now = now;
    this.#shared = records && new SharedHistories(now, records, IDLE);
    records?.refill?.(async (raw) =>
      this.#shared?.refill(
        [...this.#all].filter(([, known]) => !this.#isStale(known)),
        raw,
      ),
    );
  }

  /** What has happened so far, as far as this process knows. */
  of(subject: Subject, session: UpstreamSession | undefined): SessionFacts {
    return this.#factsOf(placeOf(subject, session));
  }

  /**
   * Judges a call by what its session has done, and enters it there; where other calls of the same session are not over, after
   * those: what one is judged by does not change until it has been entered.
   * @throws Refusal unavailable, where others may know more and cannot be asked; unknown-session, where it has ended meanwhile;
   * overload, where nothing more can be remembered: an unremembered read would be none
   */
  judge<T>(
    subject: Subject,
    session: UpstreamSession | undefined,
    use: HistoryUse,
    judge: (facts: SessionFacts) => Soon<Judged<T>>,
  ): Soon<T> {
    const place = placeOf(subject, session);
    const shared = this.#shared;
    return this.#inTurn(place.id, () => {
      if (shared !== undefined) return this.#judgeAmong(shared, place, use, judge);
      return when(judge(this.#factsOf(place)), ({ outcome, entry }) => {
        if (entry !== undefined) this.#touch(place).enter(entry);
        return outcome;
      });
    });
  }

  /**
   * The session has read something that carries that label by itself, whatever its tool is declared to give. One that has
   * ended reads nothing any more.
   * @returns when whoever shares the store knows it, too
   * @throws Refusal overload, unavailable, as `judge`
   */
  read(subject: Subject, session: UpstreamSession | undefined, label: string, use: HistoryUse): Soon<void> {
    if (session?.ended.aborted) return;
    const place = placeOf(subject, session);
    this.#touch(place).learn({ reads: [label] });
    return this.#shared && this.#save(this.#shared, place, use);
  }

  async #judgeAmong<T>(
    shared: SharedHistories,
    place: Place,
    use: HistoryUse,
    judge: (facts: SessionFacts) => Soon<Judged<T>>,
  ): Promise<T> {
    const isKnown = await this.#look(shared, place, use);
    const { labels } = use;
    const { outcome, entry } = await judge({
      ...this.#factsOf(place),
      ...(!isKnown && { reads: labels, writes: labels }),
    });
    if (entry === undefined) return outcome;
    this.#touch(place).enter(entry);
    await this.#save(shared, place, use);
    return outcome;
  }

  /**
   * Has here what others know. A session lives at one gateway, which needs to look once.
   * @returns whether it is known: else the store is away, and calls may go on
   */
  async #look(shared: SharedHistories, place: Place, use: HistoryUse): Promise<boolean> {
    const { id, session } = place;
    if (!use.asked) return true;
    const known = this.#find(place) ?? this.#begin(place);
    const isNew = known.stored === undefined;
    if (session !== undefined && !isNew) return true;
    return unlessAway(use, async () => {
      const isWritten = await shared.look(id, known);
      if (isWritten || session === undefined || !isNew) return;
      // Where it was before it may have read anything: what was written down of it is gone.
      if (session.isTakenUp) known.history.learn({ reads: use.labels, writes: use.labels });
      // Also that it has read nothing: else whoever takes it up could not tell that from what is lost.
      await shared.save(id, known, true);
    });
  }

  async #save(shared: SharedHistories, place: Place, use: HistoryUse): Promise<void> {
    const known = this.#find(place);
    // What the store does not hear of now, it is told when it is back.
    if (known !== undefined) await unlessAway(use, () => shared.save(place.id, known, use.counted));
  }

  #factsOf(place: Place): SessionFacts {
    return (this.#find(place)?.history ?? new History(0)).facts;
  }

  /** Something happens in it. */
  #touch(place: Place): History {
    const { history } = this.#find(place) ?? this.#begin(place);
    history.last = this.#now();
    return history;
  }

  /** Does the work now or, where other work of the same session is not over, after that. */
  #inTurn<T>(id: string, work: () => Soon<T>): Soon<T> {
    const before = this.#turns.get(id);
    const done = before === undefined ? work() : before.then(work);
    if (!(done instanceof Promise)) return done;
    const over = done
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        if (this.#turns.get(id) === over) this.#turns.delete(id);
      });
    this.#turns.set(id, over);
    return done;
  }

  #find({ id, session }: Place): Remembered | undefined {
    const known = this.#all.get(id);
    if (known === undefined || session !== undefined || !this.#isStale(known)) return known;
    this.#all.delete(id);
    return undefined;
  }

  #begin({ id, session }: Place): Remembered {
    // Nobody would end it once more, and have it forgotten.
    if (session?.ended.aborted) throw new Refusal('unknown-session', 'it has ended meanwhile');
    if (this.#all.size >= MOST) for (const [old, known] of this.#all) if (this.#isStale(known)) this.#all.delete(old);
    if (this.#all.size >= MOST) throw new Refusal('overload', 'too many sessions to remember');
    const known = { history: new History(this.#now()), ofSession: session !== undefined };
    this.#all.set(id, known);
    session?.ended.addEventListener('abort', () => this.#all.delete(id), { once: true });
    return known;
  }

  /** A session that lives is not. */
  #isStale({ ofSession, history }: Remembered): boolean {
    return !ofSession && history.last + IDLE <= this.#now();
  }
}

function placeOf({ key, tenant }: Subject, session: UpstreamSession | undefined): Place {
  return { id: JSON.stringify([key, tenant, session?.key]), session };
}

/** @returns whether it was done; where calls may go on without the store, it need not be */
async function unlessAway({ away }: HistoryUse, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof StateUnavailable)) throw error;
    if (!away) throw new Refusal('unavailable', `histories: ${error.message}`);
    return false;
  }
}
