import type { Sandbox } from '../../contract/sandbox-driver.ts';
import { type AsideListener, Asides } from './asides.ts';
import type { Channel, Era } from './handshake.ts';
import { LineReader } from './lines.ts';
import { type Message, readMessage } from './message.ts';
import { encodeRequest, withEnvelope } from './request.ts';
import { asFailure, printable, type RpcAnswer, UpstreamFailure } from './upstream.ts';

/** What a server may send beside its answer, from one request of ours to the next. */
const MAX_EXTRA_BYTES = 1024 * 1024;
/** Milliseconds for a process to be gone after it closed its output. */
const EXIT_GRACE = 500;
const STDERR_IN_DETAIL = 1500;

/** The caller of one request, as the conversation needs it. */
export interface Caller extends Omit<AsideListener, 'respond'> {
  readonly capabilities: string;
  readonly logLevel: string | undefined;
}

interface Pending {
  readonly id: number;
  resolve(answer: RpcAnswer): void;
  reject(failure: UpstreamFailure): void;
}

/**
 * The conversation with one sandboxed server over newline-delimited JSON-RPC. One request at a time; the first thing
 * that the server does wrong ends the conversation and the sandbox.
 */
export class StdioSession implements Channel {
  readonly sandbox: Sandbox;
  /** Resolves when the conversation is over, for whatever reason. */
  readonly ended: Promise<UpstreamFailure>;
  readonly #maxResult: number;
  readonly #lines: LineReader;
  #end: (failure: UpstreamFailure) => void = () => {};
  #failure: UpstreamFailure | undefined;
  #pending: Pending | undefined;
  #lastId = 0;
  #bytes = 0;
  #asides: Asides;

  /** @param maxResult bytes of one frame from the server */
  constructor(sandbox: Sandbox, maxResult: number) {
    this.sandbox = sandbox;
    this.#maxResult = maxResult;
    this.#lines = new LineReader(maxResult);
    this.#asides = this.#hear({});
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
      this.#asides.end();
      // From 2026-07-28 on a server has no requests of its own.
      this.#asides = this.#hear(modern ? { ...caller, ask: undefined } : { ...caller });
      this.#pending = { id, resolve, reject };
      this.sandbox.stdin.write(encodeRequest(id, method, enveloped));
    });
  }

  async notify(method: string): Promise<void> {
    this.sandbox.stdin.write(`{"jsonrpc":"2.0","method":${JSON.stringify(method)}}\n`);
  }

  /** Ends the conversation and kills the sandbox; what waits is rejected with `failure` and the end of stderr. */
  fail(failure: UpstreamFailure): void {
    this.#finish(this.#pending && !this.#failure ? this.#withStderr(failure) : failure);
  }

  #finish(failure: UpstreamFailure): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#asides.end();
    this.#pending?.reject(failure);
    this.#pending = undefined;
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
    const pending = this.#pending;
    if (pending === undefined) throw new UpstreamFailure('upstream', 'the server sent an answer that nobody asked for');
    if (message.id !== pending.id) {
      const id = JSON.stringify(message.id).slice(0, 64);
      throw new UpstreamFailure('upstream', `the server answered id ${id}, not ${pending.id}`);
    }
    this.#pending = undefined;
    this.#asides.end();
    this.#asides = this.#hear({});
    pending.resolve(message.answer);
  }

  #hear(listener: Omit<AsideListener, 'respond'>): Asides {
    // JSON has raw newlines only between its tokens, and on this transport they would end the frame.
    const respond = (response: string) => void this.sandbox.stdin.write(`${response.replace(/[\r\n]/g, ' ')}\n`);
    return new Asides({ ...listener, respond });
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
