import type { Question } from '../../contract/policy-engine.ts';
import type { Soon } from '../../contract/soon.ts';
import type { Framed } from '../../contract/tool-call.ts';
import type { Rehearsal } from '../../contract/zone-link.ts';

/** Decisions that are remembered, and characters of the arguments of each: some megabytes, whatever is asked. */
const MOST = 1000;
const MAX_ARGUMENTS = 16_384;
/** Changed answers that are named; the others are counted. */
const MOST_NAMED = 200;
/** Questions between two turns of the event loop: calls go on meanwhile. */
const AT_ONCE = 20;

/** What was asked. Without arguments: whether the target exists for the subject, which was denied. */
export type Asked = Question | Omit<Question, 'arguments'>;

interface Remembered {
  readonly incident: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly asked: Asked;
}

/**
 * The questions of the newest calls, as policy was asked them, so that other policies can be asked the same. The audit log has
 * their answers and a digest of their arguments; the arguments themselves are here alone, in memory, and leave never.
 */
export class RecentDecisions {
  readonly #all: Remembered[] = [];
  #next = 0;

  /** This was asked for the call. */
  remember({ arrived: { incident, at }, frame }: Pick<Framed, 'arrived' | 'frame'>, asked: Asked): void {
    if ((frame.paramsRaw?.length ?? 0) > MAX_ARGUMENTS) return;
    this.#all[this.#next] = { incident, at, asked };
    this.#next = (this.#next + 1) % MOST;
  }

  /** Newest first. */
  newest(most: number): readonly Remembered[] {
    const [older, newer] = [this.#all.slice(this.#next), this.#all.slice(0, this.#next)];
    return [...older, ...newer].reverse().slice(0, most);
  }
}

type Judge = (asked: Asked) => Soon<boolean>;

/**
 * Whose answers would be others: asks both about each, some at a time.
 * @param pause resolves when others have had their turn
 */
export async function rehearse(
  decisions: readonly Remembered[],
  now: Judge,
  then: Judge,
  pause: () => Promise<void>,
): Promise<Rehearsal> {
  const changed: Rehearsal['changed'][number][] = [];
  let more = 0;
  for (const [index, { incident, at, asked }] of decisions.entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await pause();
    const answers = await Promise.all([now(asked), then(asked)]);
    const [before, after] = answers.map((allow) => (allow ? 'allow' : 'deny'));
    if (before === after || before === undefined || after === undefined) continue;
    const { subject, action } = asked;
    if (changed.length === MOST_NAMED) more++;
    else
      changed.push({
        ...{ incident, time: new Date(at).toISOString(), subject: subject.id, tenant: subject.tenant, action },
        ...{ before, after },
      });
  }
  return { considered: decisions.length, changed, more };
}
