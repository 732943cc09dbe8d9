import { Refusal } from '../../contract/refusal.ts';
import type { TaskLimits } from './limits.ts';

interface Used {
  tasks: number;
  running: number;
  bytes: number;
}

/** What tasks take up, by subject and in all. Nobody's tasks make another subject lose one. */
export class Usage {
  readonly #limits: TaskLimits;
  readonly #all: Used = { tasks: 0, running: 0, bytes: 0 };
  readonly #bySubject = new Map<string, Used>();

  constructor(limits: TaskLimits) {
    this.#limits = limits;
  }

  /**
   * Room for one more that runs.
   * @throws Refusal overload
   */
  begin(subject: string, bytes: number): void {
    const { perSubject, running, total } = this.#limits;
    const own = this.#bySubject.get(subject) ?? { tasks: 0, running: 0, bytes: 0 };
    if (own.running >= running) throw new Refusal('overload', `${running} tasks run already`);
    if (own.tasks >= perSubject) throw new Refusal('overload', `${perSubject} tasks are kept already`);
    if (this.#all.tasks >= total) throw new Refusal('overload', `${total} tasks of all subjects are kept`);
    if (!this.#fits(own, bytes)) throw new Refusal('overload', 'no memory is left for the arguments of a task');
    this.#bySubject.set(subject, own);
    this.#add(subject, { tasks: 1, running: 1, bytes });
  }

  /**
   * Room for a result.
   * @throws Refusal size
   */
  keep(subject: string, bytes: number): void {
    const own = this.#bySubject.get(subject);
    if (own === undefined || !this.#fits(own, bytes))
      throw new Refusal('size', `no room is left for a task's result of ${bytes} bytes`);
    this.#add(subject, { tasks: 0, running: 0, bytes });
  }

  /** Its work is over, however it ended. */
  ended(subject: string): void {
    this.#add(subject, { tasks: 0, running: -1, bytes: 0 });
  }

  /** It is kept no more. */
  gone(subject: string, bytes: number): void {
    this.#add(subject, { tasks: -1, running: 0, bytes: -bytes });
  }

  #fits(own: Used, bytes: number): boolean {
    return own.bytes + bytes <= this.#limits.bytes && this.#all.bytes + bytes <= this.#limits.totalBytes;
  }

  #add(subject: string, { tasks, running, bytes }: Used): void {
    const own = this.#bySubject.get(subject);
    if (own === undefined) return;
    for (const used of [own, this.#all]) {
      used.tasks += tasks;
      used.running += running;
      used.bytes += bytes;
    }
    if (own.tasks === 0 && own.running === 0) this.#bySubject.delete(subject);
  }
}
