import type { Answer } from '../../contract/answer.ts';
import type { Caller } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import { isObject, type Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Soon, those, when } from '../../contract/soon.ts';
import { findMember, readObject } from '../../contract/splice.ts';
import { declaresTasks, TASKS_REQUIRED } from '../../contract/task.ts';
import type { Admitted, Framed, Subject } from '../../contract/tool-call.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import { LIMITS, type TaskLimits } from './limits.ts';
import { ACKNOWLEDGED, gotTask } from './shown.ts';
import { sizeOf, Task } from './task.ts';
import { Usage } from './usage.ts';

/** Whether a subject may do this now, by the policies that are in force. */
export type Permits = (subject: Subject, server: string, action: string, args: Json) => Soon<boolean>;

export interface TasksDeps {
  readonly clock: Clock;
  readonly limits?: Partial<TaskLimits>;
  /** The name of this replica; absent: it is the only one. */
  readonly home?: string | undefined;
}

/** What a request about tasks is answered with, and the action of the call that it is about. */
export interface Told {
  readonly answer: RpcAnswer;
  readonly action: string | undefined;
}

/**
 * The tasks of one gateway process (MCP 2025-11-25, Tasks; the tasks extension of 2026-07-28): calls that go on behind
 * their answers. A task's id proves
 * nothing: it is found by its own subject alone, where it was made, while policy permits its call. They outlive
 * requests, sessions and bundles, not this process.
 */
export class Tasks {
  readonly #clock: Clock;
  readonly #limits: TaskLimits;
  readonly #home: string | undefined;
  readonly #usage: Usage;
  /** The oldest first. */
  readonly #tasks = new Map<string, Task>();
  /** Those whose work is not over, whether they are kept or not. */
  readonly #working = new Map<Task, PromiseWithResolvers<void>>();
  #permits: Permits = () => false;
  #isRevoked: (subject: Subject) => boolean = () => false;

  constructor({ clock, limits, home }: TasksDeps) {
    this.#clock = clock;
    this.#home = home;
    this.#limits = { ...LIMITS, ...limits };
    this.#usage = new Usage(this.#limits);
  }

  /** A bundle has come into force: what waits for input that it may not be given any more keeps no sandbox. */
  judgeBy(permits: Permits): void {
    this.#permits = permits;
    for (const task of [...this.#working.keys()])
      if (task.isAsking)
        void when(this.#mayHave(task.subject, task), (may) => {
          if (!may) task.cancel('not permitted any more');
        });
  }

  /**
   * Makes a task, or what can become one, of a call whose intent is on record; undefined: its client knows no tasks.
   * @throws Refusal overload
   */
  begin(call: Admitted, caller: Caller): Task | undefined {
    const { target, frame, subject } = call;
    const canDefer = frame.modern && target.method === 'tools/call' && declaresTasks(caller.capabilities);
    if (target.task === undefined && !canDefer) return undefined;
    return new Task({
      ...{ call, caller, clock: this.#clock, limits: this.#limits, home: this.#home },
      enter: (task) => this.#enter(task, sizeOf(call)),
      room: (bytes) => this.#usage.keep(subject.key, bytes),
      onOver: (task) => this.#over(task),
    });
  }

  /**
   * Tells a client of 2026-07-28 of a task, now and at each change, while it may know of it.
   * @param tell gets the raw params of `notifications/tasks`
   * @returns what ends it; undefined: there is no such task for whoever asks
   */
  async watch(
    call: Framed,
    id: string,
    tell: (params: string) => void,
  ): Promise<{ now(): void; stop(): void } | undefined> {
    const task = this.#tasks.get(id);
    if (task === undefined || (await this.#hiddenFrom(call, task)) !== undefined) return undefined;
    const now = (): void => {
      void when(this.#hiddenFrom(call, task), (why) => {
        if (why === undefined) tell(task.shown);
      });
    };
    return { now, stop: task.watch(now) };
  }

  /**
   * Answers `tasks/get`, `tasks/list`, `tasks/update`, `tasks/cancel`, and `tasks/result` when the task has ended.
   * @throws Refusal unknown-task, alike for what is not there, not kept any more, another's or not permitted any more;
   * task-over; params; unavailable; missing-capability
   * @param others what the other replicas have answered to `tasks/list`
   */
  async answer(call: Framed, caller: Caller, others: readonly Pick<Answer, 'body'>[] = []): Promise<Told> {
    const { method, params, modern } = call.frame;
    if (modern) return this.#answerModern(call, caller);
    if (method === 'tasks/list') return this.#list(call, others);
    const task = await this.#find(call);
    if (method === 'tasks/cancel') {
      if (task.isOver) throw new Refusal('task-over', 'a task that has ended is cancelled');
      task.cancel('its client cancelled it');
    }
    if (method !== 'tasks/result') return about(task, task.shown);
    await task.attend(caller);
    if (this.#clock.now() >= call.until) throw new Refusal('unavailable', 'the token has ended meanwhile');
    // Rights and times may have changed meanwhile.
    if ((await this.#find(call)) !== task) throw new Refusal('unknown-task', String(params?.taskId));
    return { answer: task.answer, action: task.action };
  }

  /** Nothing waits there, and an end does not refuse what comes after it: it is acknowledged, and changes nothing. */
  async #answerModern(call: Framed, caller: Caller): Promise<Told> {
    const { method, params, paramsRaw = '{}' } = call.frame;
    if (!declaresTasks(caller.capabilities))
      throw new Refusal('missing-capability', `${method} without the tasks extension`, TASKS_REQUIRED);
    const responses = params?.inputResponses;
    if (method === 'tasks/update' && !isObject(responses)) throw new Refusal('params', 'inputResponses are no object');
    const task = await this.#find(call);
    if (method === 'tasks/get') return about(task, gotTask(task.shown));
    if (method === 'tasks/cancel') task.cancel('its client cancelled it');
    else task.update(membersOf(paramsRaw, 'inputResponses'));
    return about(task, ACKNOWLEDGED);
  }

  /** Ends the work that was begun with these tokens. */
  revoke(which: (subject: Subject) => boolean): void {
    this.#isRevoked = which;
    for (const task of [...this.#working.keys()]) if (which(task.subject)) task.cancel('the token was revoked');
  }

  /** Ends all of them. Resolves when the end of each is on record. */
  async close(): Promise<void> {
    for (const task of [...this.#working.keys()]) task.cancel('the gateway stops');
    await Promise.all([...this.#working.values()].map(({ promise }) => promise));
  }

  async #find(call: Framed): Promise<Task> {
    const id = call.frame.params?.taskId;
    if (typeof id !== 'string') throw new Refusal('params', 'taskId is no string');
    const task = this.#tasks.get(id);
    const why = task === undefined ? 'not there' : await this.#hiddenFrom(call, task);
    if (task === undefined || why !== undefined) throw new Refusal('unknown-task', `${id.slice(0, 64)}: ${why}`);
    return task;
  }

  /** Why this is not a task of whoever asks; undefined: it is. */
  #hiddenFrom({ arrived, subject, frame }: Framed, task: Task): Soon<string | undefined> {
    if (this.#clock.now() >= task.until) return 'not kept any more';
    if (task.subject.key !== subject.key || task.subject.tenant !== subject.tenant) return 'of another subject';
    if (task.scope !== arrived.server) return 'of another scope';
    if (task.modern !== frame.modern) return 'of another revision';
    return when(this.#mayHave(subject, task), (may) => (may ? undefined : 'not permitted any more'));
  }

  #mayHave(subject: Subject, { server, action, args }: Task): Soon<boolean> {
    return this.#permits(subject, server, action, args);
  }

  /** On one page: a subject has not so many. */
  async #list(call: Framed, others: readonly Pick<Answer, 'body'>[]): Promise<Told> {
    if (call.frame.params?.cursor !== undefined) throw new Refusal('params', 'a cursor that is not ours');
    const isShown = (task: Task) => when(this.#hiddenFrom(call, task), (why) => why === undefined);
    const shown = await those([...this.#tasks.values()], isShown);
    const all = [...shown.map((task) => task.shown), ...others.flatMap(({ body }) => listedIn(body))];
    return about(undefined, `{"tasks":[${all.join(',')}]}`);
  }

  #enter(task: Task, bytes: number): void {
    if (this.#isRevoked(task.subject)) throw new Refusal('unauthenticated', 'revoked');
    this.#usage.begin(task.subject.key, bytes);
    this.#tasks.set(task.id, task);
    this.#working.set(task, Promise.withResolvers());
    this.#clock.setTimer(() => this.#forget(task), task.until - this.#clock.now());
  }

  #over(task: Task): void {
    this.#usage.ended(task.subject.key);
    this.#working.get(task)?.resolve();
    this.#working.delete(task);
  }

  #forget(task: Task): void {
    this.#tasks.delete(task.id);
    task.forget();
    this.#usage.gone(task.subject.key, task.bytes);
  }
}

/** The raw members of an object in the params. */
function membersOf(params: string, name: string): ReadonlyMap<string, string> {
  const object = findMember(readObject(params).members, name);
  if (object === undefined) return new Map();
  return new Map(
    readObject(params, object.start).members.map(({ key, start, end }) => [key, params.slice(start, end)]),
  );
}

/** The raw tasks of another replica's answer; none in a refusal. */
function listedIn(body: string): readonly string[] {
  const { result }: { readonly result?: { readonly tasks?: readonly unknown[] } } = JSON.parse(body || '{}');
  return (result?.tasks ?? []).map((task) => JSON.stringify(task));
}

function about(task: Task | undefined, raw: string): Told {
  return { answer: { kind: 'result', raw }, action: task?.action };
}
