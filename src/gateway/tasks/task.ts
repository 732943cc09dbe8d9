import { randomBytes } from 'node:crypto';
import type { Caller, CallerSession } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Json, JsonObject } from '../../contract/json.ts';
import { placedId } from '../../contract/placed-ids.ts';
import { Refusal } from '../../contract/refusal.ts';
import { findMember, readObject } from '../../contract/splice.ts';
import type { Admitted, Sanitized, Subject } from '../../contract/tool-call.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';
import { Course } from './course.ts';
import { Inputs } from './inputs.ts';
import type { TaskLimits } from './limits.ts';
import { Questions } from './questions.ts';
import { notificationOf, relatedTo, unrelated } from './related.ts';
import { createdTask, detailedTask, legacyTask, type Status } from './shown.ts';

export interface TaskDeps {
  readonly call: Admitted;
  readonly caller: Caller;
  readonly clock: Clock;
  readonly limits: TaskLimits;
  /** The replica that has it; undefined: there is one. */
  readonly home: string | undefined;
  /** Takes the task in, which goes on behind its answer from now on. @throws Refusal overload */
  readonly enter: (task: Task) => void;
  /** Makes room for so many bytes. @throws Refusal size */
  readonly room: (bytes: number) => void;
  /** Called once, when its work is over, whatever the task has become. */
  readonly onOver: (task: Task) => void;
}

/**
 * One call that goes on behind its answer, or may yet do so; to the execution it is the caller. It does from its
 * beginning where the call says so (MCP 2025-11-25, Tasks), else once it is deferred (tasks extension of 2026-07-28);
 * until then its client is the one that called, and goes away with it.
 */
export class Task implements Caller {
  readonly id: string;
  readonly subject: Subject;
  /** The one server of `/mcp/SERVER`; undefined: all of them. */
  readonly scope: string | undefined;
  readonly modern: boolean;
  readonly server: string;
  readonly action: string;
  /** What was authorized. */
  readonly args: Json;
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  /** Raw JSON of the call's result, once it is a task. */
  readonly created: Promise<string>;
  /** Resolves when it has ended, or is kept no more. */
  readonly ended: Promise<void>;
  /** Bytes that it takes up. */
  bytes: number;
  readonly #deps: Omit<TaskDeps, 'call' | 'caller'>;
  readonly #abort = new AbortController();
  /** Whom it asks: a client of 2025-11-25 on its streams, a newer one by what the task shows. */
  readonly #questions: Questions;
  readonly #inputs: Inputs;
  readonly #course: Course;
  readonly #create: (result: string) => void;
  readonly #end: () => void;
  #kept = '';
  #isBehind = false;
  /** The request that began it, until that is answered. */
  #caller: Caller | undefined;
  /** The one of 2025-11-25 that made it, while it can be told of its course. */
  #session: CallerSession | undefined;
  readonly #isAskable: boolean;
  #leave = (): void => {};

  /** @throws Refusal overload, where it is a task from its beginning */
  constructor({ call, caller, ...deps }: TaskDeps) {
    const { clock, limits, home } = deps;
    this.#deps = deps;
    this.id = placedId(home, randomBytes(24).toString('base64url'));
    this.subject = call.subject;
    this.scope = call.arrived.server;
    this.modern = call.frame.modern;
    this.server = call.target.server;
    this.action = call.target.action;
    this.args = call.params.arguments ?? {};
    this.capabilities = caller.capabilities;
    this.logLevel = caller.logLevel;
    this.#caller = caller;
    this.#session = caller.session;
    this.#isAskable = caller.ask !== undefined;
    const [created, ended] = [Promise.withResolvers<string>(), Promise.withResolvers<void>()];
    [this.created, this.#create] = [created.promise, created.resolve];
    [this.ended, this.#end] = [ended.promise, ended.resolve];
    this.bytes = sizeOf(call);
    const ttl = Math.min(Math.max(call.target.task?.ttl ?? limits.ttl, limits.minTtl), limits.maxTtl);
    this.#course = new Course(clock, { id: this.id, ttl, pollInterval: limits.pollInterval });
    this.#questions = new Questions(clock, limits.askTimeout);
    this.#inputs = new Inputs(clock, limits.askTimeout);
    if (call.target.task !== undefined) this.#goBehind();
    else this.#follow(caller.signal);
  }

  get session(): CallerSession | undefined {
    return this.#session;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  get isOver(): boolean {
    return this.#course.isOver;
  }

  get isAsking(): boolean {
    return this.#questions.isAsking || this.#inputs.isAsking;
  }

  /** Milliseconds: when it is kept no more, since the epoch. */
  get until(): number {
    return this.#course.until;
  }

  /** As a client of its own revision is told of it; raw JSON. */
  get shown(): string {
    const { face, answer } = this.#course;
    return this.modern ? detailedTask(face, this.#inputs.shown, answer) : legacyTask(face);
  }

  get ask(): Caller['ask'] {
    return (this.modern ? this.#isBehind : this.#isAskable) ? (request) => this.#put(request) : undefined;
  }

  get defer(): Caller['defer'] {
    return this.modern && !this.#isBehind ? () => this.#defer() : undefined;
  }

  /** On the stream for what belongs to no request, once the one that made the task has been answered. */
  notify(message: string): void {
    if (!this.#isBehind) this.#caller?.notify(message);
    else if (!this.isOver && !this.modern) this.session?.notify(notificationOf(message, this.id));
  }

  /**
   * Waits for its end. Meanwhile the client can be asked, where it is still the session that made the task.
   * @throws Refusal when nobody waits any more
   */
  async attend({ signal, ask, session }: Caller): Promise<void> {
    const leave = ask !== undefined && session === this.session ? this.#questions.join(ask) : undefined;
    const gone = Promise.withResolvers<never>();
    const abort = (): void => gone.reject(new Refusal('unavailable', 'the caller has gone'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      await Promise.race([this.ended, gone.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
      leave?.();
    }
  }

  /** What its call would have been answered with. @throws Refusal where there is no such thing */
  get answer(): RpcAnswer {
    return this.#course.result;
  }

  /** Gives what it asks the answers of its client. @param raws raw results by key */
  update(raws: ReadonlyMap<string, string>): void {
    this.#inputs.answer(raws);
  }

  /** Calls `changed` at each change, until what is given back is called. */
  watch(changed: () => void): () => void {
    return this.#course.watch(changed);
  }

  /** Ends its work, with the sandbox that it runs in. */
  cancel(why: string): void {
    if (this.isOver) return;
    this.#turn('cancelled');
    this.#abort.abort(new Refusal('unavailable', why));
    this.#close();
  }

  /** It is kept no more. */
  forget(): void {
    this.cancel('its time is over');
    this.#course.forget();
    this.#kept = '';
  }

  /** Keeps a result that is not yet to be given. @throws Refusal size; unavailable where it is wanted no more */
  keep({ result }: Pick<Sanitized, 'result'>): void {
    if (!this.#isBehind) return;
    if (this.isOver) throw new Refusal('unavailable', 'the task was over before its work');
    const kept = this.#marked(result);
    const bytes = Buffer.byteLength(kept);
    this.#deps.room(bytes);
    this.bytes += bytes;
    this.#kept = kept;
  }

  /** What was kept may be given: it is on record. */
  complete(): void {
    if (!this.#isBehind) {
      this.#leave();
      return;
    }
    const isError = findMember(readObject(this.#kept || '{}').members, 'isError');
    const failed = isError !== undefined && this.#kept.slice(isError.start, isError.end) === 'true';
    // From 2026-07-28 on, only what the protocol knows as an error is a failure (Task Execution Errors).
    this.#settle(failed && !this.modern ? 'failed' : 'completed', { kind: 'result', raw: this.#kept });
  }

  /** @param body the response that the caller of the call would have read */
  fail(body: string): void {
    const { members } = readObject(body);
    const [error, result] = [findMember(members, 'error'), findMember(members, 'result')];
    const member = error ?? result;
    const raw = member === undefined ? '{}' : body.slice(member.start, member.end);
    if (error !== undefined) this.#settle('failed', { kind: 'error', raw });
    else this.#settle(this.modern ? 'completed' : 'failed', { kind: 'result', raw: this.#marked(raw) });
  }

  /** Where there is no room, it goes on as the call that it is. */
  #defer(): void {
    if (this.#abort.signal.aborted) return;
    try {
      this.#goBehind();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  #goBehind(): void {
    this.#course.begin();
    this.#deps.enter(this);
    this.#isBehind = true;
    this.#leave();
    this.#caller = undefined;
    this.#create(this.modern ? createdTask(this.#course.face) : `{"task":${this.shown}}`);
  }

  /** Until it goes on behind its answer, it ends with the request. */
  #follow(signal: AbortSignal): void {
    const gone = (): void => this.#abort.abort(signal.reason);
    signal.addEventListener('abort', gone, { once: true });
    this.#leave = () => signal.removeEventListener('abort', gone);
    if (signal.aborted) gone();
  }

  /** 2025-11-25 has a result say whose it is; later it lies inside the task. */
  #marked(raw: string): string {
    return this.modern ? unrelated(raw) : relatedTo(raw, this.id);
  }

  #settle(status: Status, answer: RpcAnswer): void {
    if (this.#course.end(status, answer)) {
      this.#told();
      this.#close();
    }
    this.#kept = '';
    this.#deps.onOver(this);
  }

  #close(): void {
    this.#session = undefined;
    this.#questions.end();
    this.#inputs.end();
    this.#end();
  }

  async #put({ method, params }: ServerRequest): Promise<RpcAnswer> {
    const answer = this.modern
      ? this.#inputs.ask({ method, params })
      : this.#questions.ask({ method, params: relatedTo(params, this.id) });
    this.#turn('input_required', this.modern);
    try {
      return await answer;
    } finally {
      if (!this.isAsking) this.#turn('working');
    }
  }

  #turn(status: Status, anew = false): void {
    if (this.#course.turn(status, anew)) this.#told();
  }

  #told(): void {
    const said = (): string => `{"jsonrpc":"2.0","method":"notifications/tasks/status","params":${this.shown}}`;
    if (!this.modern) this.#session?.notify(said());
  }
}

/** Bytes of what a task keeps from its beginning. */
export function sizeOf({ params }: Admitted): number {
  return Buffer.byteLength(params.raw);
}
