import { isObject, type JsonObject } from '../../contract/json.ts';
import { appendMembers, findMember, readObject, splice } from '../../contract/splice.ts';
import { parseStrict } from '../../contract/strict-json.ts';
import { TASKS_EXTENSION } from '../../contract/task.ts';
import type { Era } from './handshake.ts';
import { withPatience } from './patience.ts';
import { type RpcAnswer, type UpstreamCall, UpstreamFailure } from './upstream.ts';

/** Milliseconds between two looks at a server's task, whatever it would rather have. */
const MIN_POLL = 50;
const MAX_POLL = 2000;
const POLL = 500;
/** Characters of a server's task id, and of a key of what it asks. */
const MAX_ID = 1024;
/** Characters of a task that has not ended: it is looked at again and again. */
const MAX_STATE = 512 * 1024;
/** What one task may ask in all. */
const MAX_INPUTS = 20;

/** How a server's task is spoken with. */
export interface Line {
  readonly era: Era;
  /** One request at a time, in the course of the call. */
  send(method: string, params: Uint8Array): Promise<RpcAnswer>;
  /** Rejects when the call's time is over, or nobody waits any more. */
  readonly lost: Promise<never>;
  /** The client is asked (true), or no more (false): the call's time stands still meanwhile. */
  asking(open: boolean): void;
  /** Tells the server that its task is wanted no more. */
  withdraw(params: Uint8Array): void;
}

/** The params with which the server is called: one that wants a task made of the call is asked for one. */
export function paramsFor({ asTask, params }: Pick<UpstreamCall, 'asTask' | 'params'>, era: Era): Uint8Array {
  if (!asTask || era === 'modern') return params;
  const text = Buffer.from(params).toString('utf8');
  return Buffer.from(splice(text, [appendMembers(readObject(text), '"task":{}')]));
}

/**
 * The end of a call of which its server may have made a task: such a one is waited for within the call's own life and
 * deadline, what it asks is asked as in mid-call, and its id goes nowhere. Any other answer comes back as it is.
 * @param first what the call was answered with
 * @throws UpstreamFailure
 */
export async function throughTask(first: RpcAnswer, call: UpstreamCall, line: () => Line): Promise<RpcAnswer> {
  if (first.kind === 'error' || call.method !== 'tools/call') return first;
  if (!call.asTask && !call.capabilities.includes(`"${TASKS_EXTENSION}"`)) return first;
  // Most results are none; the word has no other spelling without `\u`.
  if (!first.raw.includes('"task"') && !first.raw.includes('\\u')) return call.asTask ? noTask() : first;
  const result = objectOf(first.raw);
  if (call.asTask && isObject(result.task)) return new ServerTask(idOf(result.task), call, line()).result();
  if (result.resultType !== 'task') return call.asTask ? noTask() : first;
  return new ServerTask(idOf(result), call, line()).polled(result);
}

class ServerTask {
  readonly #id: string;
  readonly #call: UpstreamCall;
  readonly #line: Line;
  /** Keys that were asked; each once in the task's life (Task Update Requests). */
  readonly #asked = new Set<string>();
  /** Raw results that the server has not been told yet, by key. */
  readonly #answers = new Map<string, string>();
  #open = 0;
  #refused: RpcAnswer | undefined;
  #news = Promise.withResolvers<void>();

  constructor(id: string, call: UpstreamCall, line: Line) {
    this.#id = id;
    this.#call = call;
    this.#line = line;
    line.lost.catch(() => {});
  }

  /** 2025-11-25: `tasks/result` is answered when the task has ended, and the server asks in its course. */
  result(): Promise<RpcAnswer> {
    return this.#carried(() => this.#send('tasks/result'));
  }

  /** 2026-07-28: looked at until it has ended. */
  polled(first: JsonObject): Promise<RpcAnswer> {
    return this.#carried(async () => {
      for (let wait = pollOf(first); ; ) {
        await this.#timed(withPatience(this.#news.promise, wait));
        this.#news = Promise.withResolvers();
        if (this.#refused !== undefined) {
          this.#withdraw();
          return this.#refused;
        }
        if (this.#answers.size > 0) await this.#update();
        const answer = await this.#send('tasks/get');
        if (answer.kind === 'error') return answer;
        const task = objectOf(answer.raw);
        if (idOf(task) !== this.#id) throw bad('another id than it had');
        const end = endOf(task, answer.raw);
        if (end !== undefined) return end;
        if (answer.raw.length > MAX_STATE) throw bad(`${answer.raw.length} characters of one that has not ended`);
        if (task.status === 'input_required') this.#ask(answer.raw);
        wait = pollOf(task);
      }
    });
  }

  async #carried(work: () => Promise<RpcAnswer>): Promise<RpcAnswer> {
    this.#call.deferred();
    try {
      return await work();
    } catch (error) {
      this.#withdraw();
      throw error;
    } finally {
      if (this.#open > 0) this.#line.asking(false);
      this.#open = Number.NEGATIVE_INFINITY;
    }
  }

  #send(method: string, more = ''): Promise<RpcAnswer> {
    return this.#timed(this.#line.send(method, this.#params(more)));
  }

  #params(more = ''): Buffer {
    return Buffer.from(`{"taskId":${JSON.stringify(this.#id)}${more}}`);
  }

  #timed<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#line.lost]);
  }

  #withdraw(): void {
    this.#line.withdraw(this.#params());
  }

  async #update(): Promise<void> {
    const answers = [...this.#answers].map(([key, raw]) => `${JSON.stringify(key)}:${raw}`);
    this.#answers.clear();
    const { kind, raw } = await this.#send('tasks/update', `,"inputResponses":{${answers.join(',')}}`);
    if (kind === 'error') throw bad(`no ear for an answer: ${raw.slice(0, 512)}`);
  }

  /** @param raw of the task */
  #ask(raw: string): void {
    const inputs = findMember(readObject(raw).members, 'inputRequests');
    if (inputs === undefined || raw[inputs.start] !== '{') throw bad('the status input_required and no inputRequests');
    for (const { key, start } of readObject(raw, inputs.start).members) {
      if (this.#asked.has(key)) continue;
      if (key.length > MAX_ID || raw[start] !== '{') throw bad('a request without a shape');
      if (this.#asked.size >= MAX_INPUTS) throw bad(`more than ${MAX_INPUTS} requests`);
      const { members } = readObject(raw, start);
      const [method, params] = [findMember(members, 'method'), findMember(members, 'params')];
      const name: unknown = method && JSON.parse(raw.slice(method.start, method.end));
      if (typeof name !== 'string') throw bad('a request without a method');
      this.#asked.add(key);
      if (this.#open++ === 0) this.#line.asking(true);
      const request = { method: name, params: params === undefined ? '{}' : raw.slice(params.start, params.end) };
      void this.#call.ask(request).then((answer) => this.#answered(key, answer));
    }
  }

  /** A server can be given results alone: where the client gives none, the call is over. */
  #answered(key: string, answer: RpcAnswer): void {
    if (--this.#open === 0) this.#line.asking(false);
    if (answer.kind === 'result') this.#answers.set(key, answer.raw);
    else this.#refused ??= answer;
    this.#news.resolve();
  }
}

/** What a task that has ended is to its call; undefined: it has not. */
function endOf({ status }: JsonObject, raw: string): RpcAnswer | undefined {
  if (status === 'working' || status === 'input_required') return undefined;
  if (status === 'cancelled') throw bad('cancelled by its server');
  const kind = status === 'completed' ? 'result' : 'error';
  if (kind === 'error' && status !== 'failed') throw bad('a status that is none');
  const end = findMember(readObject(raw).members, kind);
  if (end === undefined || raw[end.start] !== '{') throw bad(`${kind} is not there`);
  return { kind, raw: raw.slice(end.start, end.end) };
}

function pollOf({ pollIntervalMs }: JsonObject): number {
  return typeof pollIntervalMs === 'number' ? Math.min(Math.max(pollIntervalMs, MIN_POLL), MAX_POLL) : POLL;
}

function idOf({ taskId }: JsonObject): string {
  if (typeof taskId !== 'string' || taskId === '' || taskId.length > MAX_ID) throw bad('no id');
  return taskId;
}

function objectOf(raw: string): JsonObject {
  const { value } = parseStrict(Buffer.from(raw));
  if (!isObject(value)) throw bad('no object');
  return value;
}

function noTask(): never {
  throw new UpstreamFailure('upstream', 'the server wants tasks and made none');
}

function bad(detail: string): UpstreamFailure {
  return new UpstreamFailure('upstream', `a task of the server: ${detail}`);
}
