import { randomBytes } from 'node:crypto';
import type { Caller, CallerSession } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Json, JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { findMember, readObject } from '../../contract/splice.ts';
import type { Admitted, Sanitized, Subject } from '../../contract/tool-call.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';
import type { TaskLimits } from './limits.ts';
import { Questions } from './questions.ts';
import { notificationOf, relatedTo } from './related.ts';

export type Status = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';

export interface TaskDeps {
  readonly call: Admitted;
  readonly caller: Caller;
  readonly clock: Clock;
  readonly limits: TaskLimits;
  /** Makes room for so many bytes. @throws Refusal size */
  readonly room: (bytes: number) => void;
  /** Called once, when its work is over, whatever the task has become. */
  readonly onOver: () => void;
}

/** One call that goes on behind its answer; to the execution it is the caller (MCP 2025-11-25, Tasks). */
export class Task implements Caller {
  readonly id = randomBytes(24).toString('base64url');
  readonly subject: Subject;
  /** The one server of `/mcp/SERVER`; undefined: all of them. */
  readonly scope: string | undefined;
  readonly server: string;
  readonly action: string;
  /** What was authorized. */
  readonly args: Json;
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  readonly ask: Caller['ask'];
  /** Milliseconds: when it is kept no more, since the epoch. */
  readonly until: number;
  /** Resolves when it has ended, or is kept no more. */
  readonly ended: Promise<void>;
  /** Bytes that it takes up. */
  bytes: number;
  readonly #deps: Omit<TaskDeps, 'call' | 'caller'>;
  readonly #ttl: number;
  readonly #created: string;
  readonly #abort = new AbortController();
  readonly #questions: Questions;
  readonly #end: () => void;
  #updated: string;
  #status: Status = 'working';
  #kept = '';
  #answer: RpcAnswer | undefined;

  /** The one that made it, while it can be told of its course. */
  #session: CallerSession | undefined;

  constructor({ call, caller, ...deps }: TaskDeps) {
    const { clock, limits } = deps;
    this.#deps = deps;
    this.subject = call.subject;
    this.scope = call.arrived.server;
    this.server = call.target.server;
    this.action = call.target.action;
    this.args = call.params.arguments ?? {};
    this.capabilities = caller.capabilities;
    this.logLevel = caller.logLevel;
    this.#session = caller.session;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
    this.bytes = sizeOf(call);
    const now = clock.now();
    this.#ttl = Math.min(Math.max(call.target.task?.ttl ?? limits.ttl, limits.minTtl), limits.maxTtl);
    this.until = now + this.#ttl;
    this.#created = new Date(now).toISOString();
    this.#updated = this.#created;
    this.#questions = new Questions(clock, limits.askTimeout);
    if (caller.ask !== undefined) this.ask = (request) => this.#put(request);
  }

  get session(): CallerSession | undefined {
    return this.#session;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isOver(): boolean {
    return this.#status !== 'working' && this.#status !== 'input_required';
  }

  /** As the protocol shows it; raw JSON. */
  get shown(): string {
    return JSON.stringify({
      taskId: this.id,
      status: this.#status,
      createdAt: this.#created,
      lastUpdatedAt: this.#updated,
      ttl: this.#ttl,
      pollInterval: this.#deps.limits.pollInterval,
    });
  }

  /** On the stream for what belongs to no request: the one that made the task has been answered. */
  notify(message: string): void {
    if (!this.isOver) this.#session?.notify(notificationOf(message, this.id));
  }

  /**
   * Waits for its end. Meanwhile the client can be asked, where it is still the session that made the task.
   * @throws Refusal when nobody waits any more
   */
  async attend({ signal, ask, session }: Caller): Promise<void> {
    const leave = ask !== undefined && session === this.#session ? this.#questions.join(ask) : undefined;
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
    if (this.#answer === undefined) throw new Refusal('task-over', `the task is ${this.#status}`);
    return this.#answer;
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
    this.#kept = '';
    this.#answer = undefined;
  }

  /** Keeps a result that is not yet to be given. @throws Refusal size; unavailable where it is wanted no more */
  keep({ result }: Pick<Sanitized, 'result'>): void {
    if (this.isOver) throw new Refusal('unavailable', 'the task was over before its work');
    const kept = relatedTo(result, this.id);
    const bytes = Buffer.byteLength(kept);
    this.#deps.room(bytes);
    this.bytes += bytes;
    this.#kept = kept;
  }

  /** What was kept may be given: it is on record. */
  complete(): void {
    const isError = findMember(readObject(this.#kept || '{}').members, 'isError');
    const failed = isError !== undefined && this.#kept.slice(isError.start, isError.end) === 'true';
    this.#settle(failed ? 'failed' : 'completed', { kind: 'result', raw: this.#kept });
  }

  /** @param body the response that the caller of the call would have read */
  fail(body: string): void {
    const { members } = readObject(body);
    const [error, result] = [findMember(members, 'error'), findMember(members, 'result')];
    const member = error ?? result;
    const raw = member === undefined ? '{}' : body.slice(member.start, member.end);
    this.#kept = '';
    this.#settle('failed', error ? { kind: 'error', raw } : { kind: 'result', raw: relatedTo(raw, this.id) });
  }

  #settle(status: Status, answer: RpcAnswer): void {
    if (!this.isOver) {
      this.#answer = answer;
      this.#turn(status);
      this.#close();
    }
    this.#kept = '';
    this.#deps.onOver();
  }

  #close(): void {
    this.#session = undefined;
    this.#questions.end();
    this.#end();
  }

  async #put({ method, params }: ServerRequest): Promise<RpcAnswer> {
    this.#turn('input_required');
    try {
      return await this.#questions.ask({ method, params: relatedTo(params, this.id) });
    } finally {
      if (!this.#questions.isAsking) this.#turn('working');
    }
  }

  #turn(status: Status): void {
    if (this.isOver || status === this.#status) return;
    this.#status = status;
    this.#updated = new Date(this.#deps.clock.now()).toISOString();
    this.#session?.notify(`{"jsonrpc":"2.0","method":"notifications/tasks/status","params":${this.shown}}`);
  }
}

/** Bytes of what a task keeps from its beginning. */
export function sizeOf({ params }: Admitted): number {
  return Buffer.byteLength(params.raw);
}
