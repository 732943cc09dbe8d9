import type { Json } from '../../contract/json.ts';
import type { Sandbox } from '../../contract/sandbox-driver.ts';
import { type AsideListener, Asides } from './asides.ts';
import type { Channel, Era } from './handshake.ts';
import { LineReader } from './lines.ts';
import { type Message, readMessage } from './message.ts';
import { withPatience } from './patience.ts';
import { encodeRequest, withEnvelope } from './request.ts';
import { asFailure, printable, type RpcAnswer, UpstreamFailure } from './upstream.ts';

/** What a server may send beside its answer, from one request of ours to the next. */
const MAX_EXTRA_BYTES = 1024 * 1024;
/** Milliseconds for a process to be gone after it closed its output. */
const EXIT_GRACE = 500;
const STDERR_IN_DETAIL = 1500;
/** Milliseconds for a server to answer a ping after its handshake. */
const SETTLE = 500;
/** Characters of all that a server is answered during one request of ours; a server may not read them. */
const MAX_RESPONSES = 32 * 1024 * 1024;

/** The caller of one request, as the conversation needs it. */
interface Caller extends Omit<AsideListener, 'respond'> {
  readonly capabilities: string;
  readonly logLevel: string | undefined;
}

interface Pending {
  resolve(answer: RpcAnswer): void;
  reject(failure: UpstreamFailure): void;
}

/**
 * The conversation with one sandboxed server over newline-delimited JSON-RPC. Once it is open, one request at a time;
 * the first thing that the server does wrong ends the conversation and the sandbox.
 */
export class StdioSession implements Channel {
  readonly sandbox: Sandbox;
  /** Resolves when the conversation is over, for whatever reason. */
  readonly ended: Promise<UpstreamFailure>;
  readonly #maxResult: number;
  readonly #lines: LineReader;
  #end: (failure: UpstreamFailure) => void = () => {};
  #failure: UpstreamFailure | undefined;
  readonly #pending = new Map<Json, Pending>();
  #lastId = 0;
  #bytes = 0;
  #asides: Asides;
  /** Who hears the server where no caller does. */
  #between: Omit<AsideListener, 'respond'> = {};
  #listener = this.#between;
  #responses = 0;

  /** @param maxResult bytes of one frame from the server */
  constructor(sandbox: Sandbox, maxResult: number) {
    this.sandbox = sandbox;
    this.#maxResult = maxResult;
    this.#lines = new LineReader(maxResult);
    this.#asides = new Asides({ respond: (response) => this.#respond(response) });
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
   * @throws UpstreamFailure; the sandbox is then being killed
   */
  request(method: string, params: Uint8Array, era: Era, caller?: Caller): Promise<RpcAnswer> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = ++this.#lastId;
    this.#bytes = 0;
    const modern = era === 'modern';
    const enveloped = modern ? withEnvelope(params, caller?.capabilities ?? '{}', caller?.logLevel) : params;
    return new Promise((resolve, reject) => {
      // From 2026-07-28 on a server has no requests of its own.
      this.#attend(caller === undefined ? this.#between : modern ? { ...caller, ask: undefined } : caller);
      this.#pending.set(id, { resolve, reject });
      this.sandbox.stdin.write(encodeRequest(id, method, enveloped));
    });
  }

  /** Has somebody hear what the server sends while no caller does. */
  hear(listener: Omit<AsideListener, 'respond'>): void {
    this.#between = listener;
    this.#attend(listener);
  }

  /** Gives the server what it may send beside its answers once more. */
  renew(): void {
    this.#bytes = 0;
    this.#attend(this.#listener);
  }

  /**
   * Resolves when the server has dealt with what it was sent, or after half a second: what it asks because its connection
   * has just begun is then not asked of a caller.
   * @throws UpstreamFailure
   */
  async settle(): Promise<void> {
    await withPatience(this.request('ping', Buffer.from('{}'), 'legacy'), SETTLE);
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
    this.#asides.end();
    for (const pending of this.#pending.values()) pending.reject(failure);
    this.#pending.clear();
    void this.sandbox.kill();
    this.#end(failure);
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of this.sandbox.stdout) {
        if (this.#failure) return;
        this.#bytes += chunk.length;
        if (this.#bytes > this.#maxResult + MAX_EXTRA_BYTES) throw new UpstreamFailure('size', 'too much output');
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
      this.#asides.receive(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined) {
      const [id, ids] = [JSON.stringify(message.id).slice(0, 64), [...this.#pending.keys()].join(' or ')];
      throw new UpstreamFailure(
        'upstream',
        `the server answered id ${id}, ${ids ? `not ${ids}` : 'which is not open'}`,
      );
    }
    this.#pending.delete(message.id);
    if (message.id === this.#lastId) this.#attend(this.#between);
    pending.resolve(message.answer);
  }

  #attend(listener: Omit<AsideListener, 'respond'>): void {
    this.#asides.end();
    this.#listener = listener;
    this.#responses = 0;
    this.#asides = new Asides({ ...listener, respond: (response) => this.#respond(response) });
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
