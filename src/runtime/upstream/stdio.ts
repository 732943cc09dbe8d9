import type { Json } from '../../contract/json.ts';
import type { Sandbox } from '../../contract/sandbox-driver.ts';
import { type AsideListener, Asides } from './asides.ts';
import type { Channel, Era } from './handshake.ts';
import { LineReader } from './lines.ts';
import { type Message, readMessage } from './message.ts';
import { withPatience } from './patience.ts';
import { encodeRequest, progressToken, withEnvelope } from './request.ts';
import { StaleLists } from './stale-lists.ts';
import { asFailure, cancelled, printable, type RpcAnswer, UpstreamFailure } from './upstream.ts';

/** What a server may send beside its answer, from one request of ours to the next. */
const MAX_EXTRA_BYTES = 1024 * 1024;
/** Milliseconds for a process to be gone after it closed its output. */
const EXIT_GRACE = 500;
const STDERR_IN_DETAIL = 1500;
/** Milliseconds for a server to answer a ping after its handshake. */
const SETTLE = 500;
/** Characters of all that a server is answered during one request of ours; a server may not read them. */
const MAX_RESPONSES = 32 * 1024 * 1024;

/** Cancelled requests that a server may leave unanswered, as the protocol wants it to. */
const MAX_CANCELLED = 1000;

/** The caller of one request, as the conversation needs it. */
interface Caller extends Omit<AsideListener, 'respond'> {
  readonly capabilities: string;
  readonly logLevel: string | undefined;
  /** Takes the request back, and leaves the conversation as it is; absent: only its end does that. */
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly params: Uint8Array;
  /** Undefined: nobody hears what belongs to it. */
  readonly asides: Asides | undefined;
  resolve(answer: RpcAnswer): void;
  reject(failure: UpstreamFailure): void;
}

/**
 * The conversation with one sandboxed server over newline-delimited JSON-RPC. The first thing that the server does
 * wrong ends the conversation and the sandbox.
 *
 * Requests at the same time are those of one subject, in one session. On this transport nothing but a progress token
 * tells which of them the server speaks about beside its answers: whatever has none goes to the newest.
 */
export class StdioSession implements Channel {
  readonly sandbox: Sandbox;
  /** Resolves when the conversation is over, for whatever reason. */
  readonly ended: Promise<UpstreamFailure>;
  readonly stale = new StaleLists();
  readonly #maxResult: number;
  readonly #lines: LineReader;
  #end: (failure: UpstreamFailure) => void = () => {};
  #failure: UpstreamFailure | undefined;
  readonly #pending = new Map<Json, Pending>();
  readonly #cancelled = new Set<Json>();
  #lastId = 0;
  #bytes = 0;
  /** Who hears the server where no caller does. */
  #between: Asides;
  #responses = 0;

  /** @param maxResult bytes of one frame from the server */
  constructor(sandbox: Sandbox, maxResult: number) {
    this.sandbox = sandbox;
    this.#maxResult = maxResult;
    this.#lines = new LineReader(maxResult);
    this.#between = this.#asidesOf({});
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    void this.#read();
  }

  get failure(): UpstreamFailure | undefined {
    return this.#failure;
  }

  /**
   * @param caller hears what the server sends before its answer, and is asked what an older server asks
   * @throws UpstreamFailure; the sandbox is then being killed, unless the caller took the request back
   */
  request(method: string, params: Uint8Array, era: Era, caller?: Caller): Promise<RpcAnswer> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = ++this.#lastId;
    this.renew();
    const modern = era === 'modern';
    const enveloped = modern ? withEnvelope(params, caller?.capabilities ?? '{}', caller?.logLevel) : params;
    // From 2026-07-28 on a server has no requests of its own.
    const asides = caller && this.#asidesOf(modern ? { ...caller, ask: undefined } : caller);
    const answer = new Promise<RpcAnswer>((resolve, reject) => {
      this.#pending.set(id, { params, asides, resolve, reject });
      this.sandbox.stdin.write(encodeRequest(id, method, enveloped));
    });
    return caller?.signal === undefined ? answer : this.#cancellable(id, answer, caller.signal);
  }

  async #cancellable(id: number, answer: Promise<RpcAnswer>, signal: AbortSignal): Promise<RpcAnswer> {
    const cancel = () => {
      const pending = this.#close(id);
      if (pending === undefined) return;
      this.#cancelled.add(id);
      pending.reject(cancelled());
      const params = `{"requestId":${id}}`;
      this.sandbox.stdin.write(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}\n`);
      if (this.#cancelled.size > MAX_CANCELLED) this.fail(new UpstreamFailure('overload', 'too many were cancelled'));
    };
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      return await answer;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** Has somebody hear what the server sends while no caller does. */
  hear(listener: Omit<AsideListener, 'respond'>): void {
    this.#between.end();
    this.#between = this.#asidesOf(listener);
  }

  /** Gives the server what it may send beside its answers once more. */
  renew(): void {
    this.#bytes = 0;
    this.#responses = 0;
    this.#between.renew();
    for (const { asides } of this.#pending.values()) asides?.renew();
  }

  /**
   * Resolves when the server has dealt with what it was sent, or after half a second: what it asks because its connection
   * has just begun is then not asked of a caller, and a call finds a way that has been gone before.
   * @throws UpstreamFailure
   */
  async settle(): Promise<void> {
    const until = performance.now() + SETTLE;
    for (let left = this.sandbox.runsIn ?? 1; left > 0 && performance.now() < until; left--)
      await withPatience(this.request('ping', Buffer.from('{}'), 'legacy'), until - performance.now());
  }

  async notify(method: string): Promise<void> {
    this.sandbox.stdin.write(`{"jsonrpc":"2.0","method":${JSON.stringify(method)}}\n`);
  }

  /** Ends the conversation and kills the sandbox; what waits is rejected with `failure` and the end of stderr. */
  fail(failure: UpstreamFailure): void {
    this.#finish(this.#pending.size > 0 && !this.#failure ? this.#withStderr(failure) : failure);
  }

  #finish(failure: UpstreamFailure): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#between.end();
    for (const pending of this.#pending.values()) {
      pending.asides?.end();
      pending.reject(failure);
    }
    this.#pending.clear();
    void this.sandbox.kill();
    this.#end(failure);
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of this.sandbox.stdout) {
        if (this.#failure) return;
        this.#bytes += chunk.length;
        const answers = Math.max(1, this.#pending.size) * this.#maxResult;
        if (this.#bytes > answers + MAX_EXTRA_BYTES) throw new UpstreamFailure('size', 'too much output');
        for (const line of this.#lines.push(chunk)) this.#receive(readMessage(line));
      }
    } catch (error) {
      this.#finish(this.#withStderr(asFailure(error)));
      return;
    }
    if (!this.#failure) this.#finish(this.#withStderr(await this.#gone()));
  }

  #receive(message: Message): void {
    if (message.kind !== 'answer') {
      this.stale.heardOf(message);
      this.#addressee(message)?.receive(message);
      return;
    }
    if (this.#cancelled.delete(message.id)) return;
    const pending = this.#close(message.id);
    if (pending === undefined) {
      const [id, ids] = [JSON.stringify(message.id).slice(0, 64), [...this.#pending.keys()].join(' or ')];
      throw new UpstreamFailure(
        'upstream',
        `the server answered id ${id}, ${ids ? `not ${ids}` : 'which is not open'}`,
      );
    }
    pending.resolve(message.answer);
  }

  #close(id: Json): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.asides?.end();
    return pending;
  }

  #asidesOf(listener: Omit<AsideListener, 'respond'>): Asides {
    return new Asides({ ...listener, respond: (response) => this.#respond(response) });
  }

  /** Undefined: it cannot be told whose progress it is. */
  #addressee(message: Exclude<Message, { kind: 'answer' }>): Asides | undefined {
    const heard = [...this.#pending.values()].filter(({ asides }) => asides !== undefined);
    if (message.kind === 'notification' && message.method === 'notifications/progress' && heard.length > 1) {
      const token = message.params?.progressToken;
      const [own, ...others] = heard.filter(({ params }) => progressToken(params) === token);
      return others.length > 0 ? undefined : own?.asides;
    }
    if (message.kind === 'notification' && message.method === 'notifications/cancelled') {
      const id = message.params?.requestId;
      const asker = heard.find(({ asides }) => asides?.hasAsked(id));
      if (asker !== undefined) return asker.asides;
    }
    return heard.at(-1)?.asides ?? this.#between;
  }

  #respond(response: string): void {
    this.#responses += response.length;
    if (this.#responses > MAX_RESPONSES) this.fail(new UpstreamFailure('size', 'too many responses to the server'));
    // JSON has raw newlines only between its tokens, and on this transport they would end the frame.
    else this.sandbox.stdin.write(`${response.replace(/[\r\n]/g, ' ')}\n`);
  }

  async #gone(): Promise<UpstreamFailure> {
    const patience = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), EXIT_GRACE).unref());
    const exit = await Promise.race([this.sandbox.exited, patience]);
    if (exit?.outOfMemory) return new UpstreamFailure('isolation', 'the memory limit was hit');
    const where = this.#lines.partial ? 'in the middle of a frame' : 'without an answer';
    const how = exit ? `exited (code ${exit.code}, signal ${exit.signal})` : 'closed its output';
    return new UpstreamFailure('upstream', `the server ${how} ${where}`);
  }

  #withStderr(failure: UpstreamFailure): UpstreamFailure {
    const tail = printable(this.sandbox.stderrTail(), STDERR_IN_DETAIL).trim();
    return tail === '' ? failure : new UpstreamFailure(failure.code, `${failure.detail}; stderr: ${tail}`);
  }
}
