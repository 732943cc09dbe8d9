import type { Caller } from '../../contract/caller.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import type { RpcAnswer, ServerRequest } from '../../contract/upstream.ts';
import { missingCapability } from './capabilities.ts';
import { EmbeddedRefusal, errorTo, told } from './embedded-refusal.ts';
import type { Embedding, Question } from './embedded-request.ts';
import { Exchange } from './exchange.ts';
import { isRepeatable } from './input-required.ts';

/** What a held call's request is answered with: its end, or what the server wants to know before it goes on. */
export type Turn =
  | RpcAnswer
  | { readonly kind: 'asked'; readonly questions: readonly (readonly [key: string, question: Question])[] };

/** Milliseconds for which a question waits for others. */
const GATHER = 20;

interface Open {
  readonly question: Question;
  answer(answer: RpcAnswer | Promise<RpcAnswer>): void;
}

interface Waiter {
  resolve(turn: Turn | Promise<Turn>): void;
  reject(error: unknown): void;
}

/**
 * A call that a client of 2026-07-28 makes, to a server that may turn out to be older: what such a one asks in mid-call
 * becomes the answer to the client's request, and the call goes on when the client repeats that with answers.
 */
export class HeldCall extends Exchange {
  /** The request that began it. */
  readonly admitted: Admitted;
  readonly #controller: AbortController;
  readonly #questions = new Map<string, Open>();
  #caller: Caller;
  #lastKey = 0;
  #waiter: Waiter | undefined;
  #end: Promise<RpcAnswer> | undefined;
  #gathering: NodeJS.Timeout | undefined;
  /** The server has made a task of it. */
  #isDeferred = false;

  constructor(embedding: Embedding, call: Admitted, caller: Caller, params: string) {
    const controller = new AbortController();
    super(embedding, call, caller, params, controller.signal, undefined);
    this.admitted = call;
    this.#controller = controller;
    this.#caller = caller;
  }

  /** @param answer the end of the request to the server */
  begin(answer: Promise<RpcAnswer>): void {
    const ended = (): void => {
      this.#end = answer;
      for (const open of this.#questions.values()) open.answer(errorTo(told.failed));
      this.#questions.clear();
      this.#settle();
    };
    answer.then(ended, ended);
  }

  /** The client has come back. */
  resume(embedding: Embedding, call: Admitted, caller: Caller): void {
    this.#caller = caller;
    this.midCall.attach(embedding, call, caller);
    for (const [key, { question, answer }] of this.#questions) {
      if (missingCapability(caller.capabilities, question.method, question.value) === undefined) continue;
      this.#questions.delete(key);
      answer(errorTo(told.unknown));
    }
  }

  /** Gives the server what the client answered; what nobody asked is nobody's. @param answers raw results by key */
  answer(answers: ReadonlyMap<string, string>): void {
    for (const [key, { question, answer }] of this.#questions) {
      const raw = answers.get(key);
      if (raw === undefined) continue;
      this.#questions.delete(key);
      answer(this.midCall.accept(question, { kind: 'result', raw }));
    }
  }

  /**
   * What the client's request is answered with. While it waits, a client that goes away ends the call.
   * @throws what the request to the server rejects with
   */
  async next(): Promise<Turn> {
    const { signal } = this.#caller;
    const gone = (): void => this.cancel();
    signal.addEventListener('abort', gone, { once: true });
    if (this.#isDeferred) this.#caller.defer?.();
    try {
      return await new Promise<Turn>((resolve, reject) => {
        this.#waiter = { resolve, reject };
        if (signal.aborted) gone();
        else this.#settle();
      });
    } finally {
      signal.removeEventListener('abort', gone);
      this.#waiter = undefined;
      this.happened?.detach();
    }
  }

  cancel(): void {
    this.#controller.abort();
    this.#waiter?.reject(new Refusal('unavailable', 'the caller has gone'));
  }

  override async ask(request: ServerRequest): Promise<RpcAnswer> {
    try {
      if (!isRepeatable(this.method))
        throw new EmbeddedRefusal('upstream', 'a request that the client cannot be asked', told.unknown);
      const question = await this.midCall.judge(request, this.#caller.capabilities);
      if (this.#end !== undefined) return errorTo(told.failed);
      if (this.#waiter !== undefined && this.#caller.ask !== undefined) return await this.#put(question);
      return await new Promise<RpcAnswer>((answer) => {
        this.#questions.set(`request-${++this.#lastKey}`, { question, answer });
        // What a server asks at once is answered by one request of the client, though it comes in several pieces.
        this.#gathering ??= setTimeout(() => this.#gathered(), GATHER).unref();
      });
    } catch (error) {
      return this.midCall.failed(error);
    }
  }

  /** Where the client's request has been answered with a task meanwhile, the task asks. */
  putOpen(): void {
    for (const [key, { question, answer }] of this.#questions) {
      this.#questions.delete(key);
      answer(this.#put(question).catch((error: unknown) => this.midCall.failed(error)));
    }
  }

  override deferred(): void {
    this.#isDeferred = true;
    // While nobody waits, the client has been answered with what it is asked.
    if (this.#waiter !== undefined) this.#caller.defer?.();
  }

  async #put(question: Question): Promise<RpcAnswer> {
    return this.midCall.accept(question, await this.midCall.put(question));
  }

  #gathered(): void {
    this.#gathering = undefined;
    this.#settle();
  }

  #settle(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    if (this.#end !== undefined) waiter.resolve(this.#end);
    else if (this.#questions.size > 0 && this.#gathering === undefined) {
      const questions = [...this.#questions].map(([key, { question }]) => [key, question] as const);
      waiter.resolve({ kind: 'asked', questions });
    }
  }
}
