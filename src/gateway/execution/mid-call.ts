import { randomUUID } from 'node:crypto';
import type { Caller, CallerSession } from '../../contract/caller.ts';
import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { appendMembers, readObject, splice } from '../../contract/splice.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import { SUSPECTED, suspicion } from '../../contract/untrusted-text/score.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';
import { judgeNotification } from './embedded-notification.ts';
import { EmbeddedRefusal, errorTo, told } from './embedded-refusal.ts';
import { type Embedding, judgeRequest, type Question, recordBadAnswer } from './embedded-request.ts';
import { faultOf } from './embedded-response.ts';

/** What one call of a client may make its server send: requests, notifications, and the bytes of these. */
const MAX_REQUESTS = 20;
const MAX_NOTIFICATIONS = 1000;
const MAX_BYTES = 1024 * 1024;

/** What happens between one call and its answer. Most calls have none. */
export class MidCall {
  #embedding: Embedding;
  readonly #token: Json | undefined;
  readonly #elicitations = new Set<string>();
  /** The one that the call came in; who takes up a held call has none. */
  readonly #session: CallerSession | undefined;
  #call: Admitted;
  /** Undefined: nobody is there to be told anything. */
  #caller: Caller | undefined;
  #tokenNow: string | undefined;
  #requests = 0;
  #notifications = 0;
  #suspected = 0;
  #bytes = 0;
  #missing: JsonObject | undefined;
  #fault: unknown;
  /** What may still become a fault. */
  #owed: Promise<unknown> | undefined;

  constructor(embedding: Embedding, call: Admitted, caller: Caller) {
    this.#embedding = embedding;
    this.#call = call;
    this.#token = tokenOf(call);
    this.#caller = caller;
    this.#session = caller.session;
    this.#tokenNow = rawToken(call);
  }

  /** From now on, this is the client's request that waits for the answer, and what judges by the bundle of now. */
  attach(embedding: Embedding, call: Admitted, caller: Caller): void {
    this.#embedding = embedding;
    this.#call = call;
    this.#caller = caller;
    this.#tokenNow = rawToken(call);
  }

  detach(): void {
    this.#caller = undefined;
  }

  /** The capabilities for want of which a request was not asked. */
  get missing(): JsonObject | undefined {
    return this.#missing;
  }

  /** Why the call must end, whatever its server answers: a fault of ours in what came before. Undefined: there is none. */
  async fault(): Promise<unknown> {
    await this.#owed;
    return this.#fault;
  }

  notify(message: string): void {
    const caller = this.#caller;
    this.#bytes += message.length;
    if (caller === undefined || ++this.#notifications > MAX_NOTIFICATIONS || this.#bytes > MAX_BYTES) return;
    const { frame } = this.#call;
    const listener = {
      frame,
      logLevel: caller.logLevel,
      token: this.#token,
      tokenNow: this.#tokenNow,
      elicitations: this.#elicitations,
    };
    const judged = judgeNotification(message, listener, this.#embedding.redact);
    if (judged !== undefined && this.#mayHear(judged.method, judged.json)) caller.notify(judged.json);
  }

  /**
   * A model may read the texts of progress and logs too. The label is in force here before the client has them, and wherever
   * else its history is known before the call is answered.
   */
  #mayHear(method: string, json: string): boolean {
    const { score, reasons } = suspicion(json, 'result');
    if (score < SUSPECTED) return true;
    const { server } = this.#call.target;
    const keptBack = this.#embedding.keepsBack(server);
    try {
      const known = keptBack ? undefined : this.#embedding.heard(this.#call, this.#session);
      if (known instanceof Promise) this.#owe(known);
    } catch (error) {
      this.#fault ??= error;
      return false;
    }
    if (++this.#suspected <= MAX_REQUESTS) {
      const suspected = { score: Math.round(score * 100) / 100, reasons };
      const fact = { method, action: `${server}#${method}`, bytes: Buffer.byteLength(json), suspected } as const;
      this.#owe(this.#embedding.record(this.#call, { ...fact, code: keptBack ? 'approval' : 'ok' }));
    }
    return !keptBack;
  }

  /** The call is not answered unless this is done. */
  #owe(work: Promise<void>): void {
    const done = work.catch((error: unknown) => {
      this.#fault ??= error;
    });
    this.#owed = Promise.all([this.#owed, done]);
  }

  /**
   * Judges what the server asks, by what the client has declared.
   * @throws EmbeddedRefusal; Refusal `audit`
   */
  async judge(request: ServerRequest, capabilities: JsonObject): Promise<Question> {
    if (++this.#requests > MAX_REQUESTS)
      throw new EmbeddedRefusal('upstream', `more than ${MAX_REQUESTS} requests of the server`, told.failed);
    try {
      const question = await judgeRequest(this.#embedding, this.#call, capabilities, this.#session, request);
      const { mode, elicitationId } = question.value;
      if (mode === 'url' && typeof elicitationId === 'string') this.#elicitations.add(elicitationId);
      return question;
    } catch (error) {
      if (error instanceof EmbeddedRefusal && isObject(error.required))
        this.#missing = { ...this.#missing, ...error.required };
      throw error;
    }
  }

  /** Asks the client in its session, as often as the server may ask. Never rejects. */
  async ask(request: ServerRequest): Promise<RpcAnswer> {
    const caller = this.#caller;
    // Where nobody can be asked, the client can be taken to have declared nothing.
    const capabilities = caller?.ask === undefined ? {} : caller.capabilities;
    try {
      const question = await this.judge(request, capabilities);
      return await this.accept(question, await this.put(question));
    } catch (error) {
      return this.failed(error);
    }
  }

  /** @throws Refusal when the client does not answer in time, or its session ends */
  async put(question: Question): Promise<RpcAnswer> {
    const caller = this.#caller;
    if (caller?.ask === undefined) throw new Refusal('upstream', 'wants input that this client cannot be asked for');
    const { method } = question;
    const params = this.#call.frame.modern ? question.params : inLegacyShape(question);
    return caller.ask({ method, params: this.#embedding.named(this.#call, method, params) });
  }

  /** The client's answer if it is one to this question; else an error, and a record of why. */
  async accept(question: Question, answer: RpcAnswer): Promise<RpcAnswer> {
    const fault = faultOf(question, answer);
    if (fault === undefined) return answer;
    await recordBadAnswer(this.#embedding, this.#call, question.method, answer.raw, fault);
    return errorTo(told.badAnswer);
  }

  /** What the server is told instead of an answer. */
  failed(error: unknown): RpcAnswer {
    if (error instanceof EmbeddedRefusal) return errorTo(error);
    if (!(error instanceof Refusal) || error.code === 'audit') this.#fault ??= error;
    return errorTo(told.failed);
  }
}

function tokenOf({ target }: Admitted): Json | undefined {
  const { _meta: meta } = target.params;
  const token = isObject(meta) ? meta.progressToken : undefined;
  return typeof token === 'string' || typeof token === 'number' ? token : undefined;
}

/** A token is a text or an integer, so that it is the same however it is written. */
function rawToken(call: Admitted): string | undefined {
  const token = tokenOf(call);
  return token === undefined ? undefined : JSON.stringify(token);
}

/** An elicitation by URL has an id in 2025-11-25, and none later. */
function inLegacyShape({ method, params, value }: Question): string {
  if (method !== 'elicitation/create' || value.mode !== 'url' || value.elicitationId !== undefined) return params;
  return splice(params, [appendMembers(readObject(params), `"elicitationId":"${randomUUID()}"`)]);
}
