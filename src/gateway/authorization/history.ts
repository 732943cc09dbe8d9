import type { SessionFacts, ToolFacts } from '../../contract/policy-engine.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Soon } from '../../contract/soon.ts';
import type { Subject } from '../../contract/tool-call.ts';
import type { UpstreamSession } from '../../contract/upstream.ts';

/** Milliseconds without a call, after which a client without sessions begins anew. */
const IDLE = 60 * 60_000;
/** Subjects that are remembered. */
const SUBJECTS = 50_000;

interface History {
  readonly reads: Set<string>;
  readonly writes: Set<string>;
  readonly calls: Record<string, number>;
  readonly approved: Set<string>;
  /** Milliseconds since the epoch. */
  last: number;
}

/**
 * What has happened in each session: which labels of data were read and written, how often which tool was called, what a
 * person approved. A call counts from its admission on, so that none in flight can be raced past. Labels and actions are
 * those of configuration and pins, so that a history is small; there are as many as sessions, and one for each subject that
 * keeps none. In this process's memory; it outlives bundles.
 */
export class Histories {
  readonly #now: () => number;
  readonly #subjects = new Map<string, Map<string, History>>();
  /** By session, while something is judged of which the answer takes time: settled when the last of them is over. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** What has happened so far. */
  of(subject: Subject, session: UpstreamSession | undefined): SessionFacts {
    return factsOf(this.#find(subject, session) ?? this.#fresh());
  }

  /**
   * Does the work now or, where other work of the same session is not over, after that: what one call is judged by must
   * not change until it has been entered.
   */
  inTurn<T>(subject: Subject, session: UpstreamSession | undefined, work: () => Soon<T>): Soon<T> {
    const key = JSON.stringify([subject.key, subject.tenant, session?.key]);
    const before = this.#turns.get(key);
    const done = before === undefined ? work() : before.then(work);
    if (!(done instanceof Promise)) return done;
    const over = done
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        if (this.#turns.get(key) === over) this.#turns.delete(key);
      });
    this.#turns.set(key, over);
    return done;
  }

  /**
   * A call goes on its way; from now on it counts.
   * @throws Refusal overload, where nothing more can be remembered: an unremembered read would be none
   */
  enter(
    subject: Subject,
    session: UpstreamSession | undefined,
    action: string,
    tool: ToolFacts,
    approved: boolean,
  ): void {
    const history = this.#find(subject, session) ?? this.#begin(subject, session);
    for (const label of tool.reads) history.reads.add(label);
    for (const label of tool.writes) history.writes.add(label);
    history.calls[action] = (history.calls[action] ?? 0) + 1;
    if (approved) history.approved.add(action);
    history.last = this.#now();
  }

  /**
   * The session has read something that carries that label by itself, whatever its tool is declared to give.
   * @throws Refusal overload, as `enter`
   */
  read(subject: Subject, session: UpstreamSession | undefined, label: string): void {
    const history = this.#find(subject, session) ?? this.#begin(subject, session);
    history.reads.add(label);
    history.last = this.#now();
  }

  #find(subject: Subject, session: UpstreamSession | undefined): History | undefined {
    const own = this.#subjects.get(keyOf(subject));
    const history = own?.get(session?.key ?? '');
    if (history === undefined || session !== undefined || history.last + IDLE > this.#now()) return history;
    own?.delete('');
    return undefined;
  }

  #begin(subject: Subject, session: UpstreamSession | undefined): History {
    const key = keyOf(subject);
    let own = this.#subjects.get(key);
    if (own === undefined) {
      if (this.#subjects.size >= SUBJECTS) this.#sweep();
      if (this.#subjects.size >= SUBJECTS) throw new Refusal('overload', 'too many sessions to remember');
      own = new Map();
      this.#subjects.set(key, own);
    }
    const history = this.#fresh();
    const name = session?.key ?? '';
    own.set(name, history);
    session?.ended.addEventListener('abort', () => this.#end(key, name), { once: true });
    return history;
  }

  #fresh(): History {
    return { reads: new Set(), writes: new Set(), calls: {}, approved: new Set(), last: this.#now() };
  }

  #end(key: string, name: string): void {
    const own = this.#subjects.get(key);
    own?.delete(name);
    if (own?.size === 0) this.#subjects.delete(key);
  }

  /** Subjects that are here without a session, and have not called for so long that it is forgotten. */
  #sweep(): void {
    for (const [key, own] of this.#subjects) {
      const alone = own.get('');
      if (alone !== undefined && alone.last + IDLE <= this.#now()) this.#end(key, '');
    }
  }
}

function keyOf({ key, tenant }: Subject): string {
  return JSON.stringify([key, tenant]);
}

function factsOf({ reads, writes, calls, approved }: History): SessionFacts {
  return { reads: [...reads], writes: [...writes], calls: { ...calls }, approved: [...approved] };
}
