import type { Caller } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted, Framed, Subject } from '../../contract/tool-call.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import { LIMITS, type TaskLimits } from './limits.ts';
import { sizeOf, Task } from './task.ts';
import { Usage } from './usage.ts';

/** Whether a subject may do this now, by the policies that are in force. */
export type Permits = (subject: Subject, server: string, action: string, args: Json) => boolean;

export interface TasksDeps {
  readonly clock: Clock;
  readonly limits?: Partial<TaskLimits>;
}

/** What a request about tasks is answered with, and the action of the call that it is about. */
export interface Told {
  readonly answer: RpcAnswer;
  readonly action: string | undefined;
}

/**
 * The tasks of one gateway process (MCP 2025-11-25, Tasks): calls that go on behind their answers. A task's id proves
 * nothing: it is found by its own subject alone, where it was made, while policy permits its call. They outlive
 * requests, sessions and bundles, not this process.
 */
export class Tasks {
  readonly #clock: Clock;
  readonly #limits: TaskLimits;
  readonly #usage: Usage;
  /** The oldest first. */
  readonly #tasks = new Map<string, Task>();
  /** Those whose work is not over, whether they are kept or not. */
  readonly #working = new Map<Task, Promise<void>>();
  #permits: Permits = () => false;

  constructor({ clock, limits }: TasksDeps) {
    this.#clock = clock;
    this.#limits = { ...LIMITS, ...limits };
    this.#usage = new Usage(this.#limits);
  }

  /** A bundle has come into force. */
  judgeBy(permits: Permits): void {
    this.#permits = permits;
  }

  /**
   * Makes a task of a call whose intent is on record.
   * @throws Refusal overload
   */
  begin(call: Admitted, caller: Caller): Task {
    const { key } = call.subject;
    this.#usage.begin(key, sizeOf(call));
    const { promise, resolve } = Promise.withResolvers<void>();
    const onOver = (): void => {
      this.#usage.ended(key);
      this.#working.delete(task);
      resolve();
    };
    const room = (bytes: number): void => this.#usage.keep(key, bytes);
    const task = new Task({ call, caller, clock: this.#clock, limits: this.#limits, room, onOver });
    this.#tasks.set(task.id, task);
    this.#working.set(task, promise);
    this.#clock.setTimer(() => this.#forget(task), task.until - this.#clock.now());
    return task;
  }

  /**
   * Answers `tasks/get`, `tasks/list`, `tasks/cancel`, and `tasks/result` when the task has ended.
   * @throws Refusal unknown-task, alike for what is not there, not kept any more, another's or not permitted any more;
   * task-over; params; unavailable
   */
  async answer(call: Framed, caller: Caller): Promise<Told> {
    const { method, params } = call.frame;
    if (method === 'tasks/list') return this.#list(call);
    const task = this.#find(call);
    if (method === 'tasks/cancel') {
      if (task.isOver) throw new Refusal('task-over', 'a task that has ended is cancelled');
      task.cancel('its client cancelled it');
    }
    if (method !== 'tasks/result') return about(task, task.shown);
    await task.attend(caller);
    if (this.#clock.now() >= call.until) throw new Refusal('unavailable', 'the token has ended meanwhile');
    // Rights and times may have changed meanwhile.
    if (this.#find(call) !== task) throw new Refusal('unknown-task', String(params?.taskId));
    return { answer: task.answer, action: task.action };
  }

  /** Ends the work that was begun with these tokens. */
  revoke(which: (subject: Subject) => boolean): void {
    for (const task of [...this.#working.keys()]) if (which(task.subject)) task.cancel('the token was revoked');
  }

  /** Ends all of them. Resolves when the end of each is on record. */
  async close(): Promise<void> {
    for (const task of [...this.#working.keys()]) task.cancel('the gateway stops');
    await Promise.all(this.#working.values());
  }

  #find(call: Framed): Task {
    const id = call.frame.params?.taskId;
    if (typeof id !== 'string') throw new Refusal('params', 'taskId is no string');
    const task = this.#tasks.get(id);
    const why = task === undefined ? 'not there' : this.#hiddenFrom(call, task);
    if (task === undefined || why !== undefined) throw new Refusal('unknown-task', `${id.slice(0, 64)}: ${why}`);
    return task;
  }

  /** Why this is not a task of whoever asks; undefined: it is. */
  #hiddenFrom({ arrived, subject }: Framed, task: Task): string | undefined {
    if (this.#clock.now() >= task.until) return 'not kept any more';
    if (task.subject.key !== subject.key || task.subject.tenant !== subject.tenant) return 'of another subject';
    if (task.scope !== arrived.server) return 'of another scope';
    return this.#permits(subject, task.server, task.action, task.args) ? undefined : 'not permitted any more';
  }

  /** On one page: a subject has not so many. */
  #list(call: Framed): Told {
    if (call.frame.params?.cursor !== undefined) throw new Refusal('params', 'a cursor that is not ours');
    const shown = [...this.#tasks.values()].filter((task) => this.#hiddenFrom(call, task) === undefined);
    return about(undefined, `{"tasks":[${shown.map((task) => task.shown).join(',')}]}`);
  }

  #forget(task: Task): void {
    this.#tasks.delete(task.id);
    task.forget();
    this.#usage.gone(task.subject.key, task.bytes);
  }
}

function about(task: Task | undefined, raw: string): Told {
  return { answer: { kind: 'result', raw }, action: task?.action };
}
