import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import type { Face, Status } from './shown.ts';

/** What a task is from moment to moment: its status and times, what came of it, and who is told of changes. */
export class Course {
  readonly #clock: Clock;
  readonly #shown: Pick<Face, 'id' | 'ttl' | 'pollInterval'>;
  readonly #watchers = new Set<() => void>();
  #status: Status = 'working';
  #created = 0;
  #updated = 0;
  #answer: RpcAnswer | undefined;

  constructor(clock: Clock, shown: Pick<Face, 'id' | 'ttl' | 'pollInterval'>) {
    this.#clock = clock;
    this.#shown = shown;
  }

  get isOver(): boolean {
    return this.#status !== 'working' && this.#status !== 'input_required';
  }

  /** Milliseconds: when it is kept no more, since the epoch. */
  get until(): number {
    return this.#created + this.#shown.ttl;
  }

  get face(): Face {
    const [created, updated] = [new Date(this.#created).toISOString(), new Date(this.#updated).toISOString()];
    return { ...this.#shown, status: this.#status, created, updated };
  }

  /** Undefined: it has not ended, or was cancelled. */
  get answer(): RpcAnswer | undefined {
    return this.#answer;
  }

  /** @throws Refusal task-over where there is no such thing */
  get result(): RpcAnswer {
    if (this.#answer === undefined) throw new Refusal('task-over', `the task is ${this.#status}`);
    return this.#answer;
  }

  begin(): void {
    this.#created = this.#clock.now();
    this.#updated = this.#created;
  }

  /**
   * @param anew whether it counts as a change though the status is the same
   * @returns whether anything has changed
   */
  turn(status: Status, anew = false): boolean {
    if (this.isOver || (status === this.#status && !anew)) return false;
    this.#status = status;
    this.#updated = this.#clock.now();
    for (const changed of [...this.#watchers]) changed();
    return true;
  }

  /** The last turn of one that is not over. @returns whether it is that */
  end(status: Status, answer: RpcAnswer): boolean {
    if (this.isOver) return false;
    this.#answer = answer;
    return this.turn(status);
  }

  /** Calls `changed` at each change, until what is given back is called. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => void this.#watchers.delete(changed);
  }

  forget(): void {
    this.#watchers.clear();
    this.#answer = undefined;
  }
}
