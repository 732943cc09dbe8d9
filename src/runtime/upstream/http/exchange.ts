import type { Dispatcher } from 'undici';
import { Asides } from '../asides.ts';
import { type Message, readMessage } from '../message.ts';
import { asFailure, cancelled, type RpcAnswer, type UpstreamCall, UpstreamFailure } from '../upstream.ts';
import { decode, plainResult, readText } from './answer.ts';
import { EventReader } from './event-reader.ts';
import { bad, broken, HttpFailure } from './failures.ts';
import { bodyKind, type Headers, sessionId } from './head.ts';
import { withoutBody } from './headers.ts';
import { Pause } from './pause.ts';
import { Resumption } from './resumption.ts';
import type { Watched } from './watch.ts';
import type { Wire } from './wire.ts';

/** Bytes: beside the answer on a stream, after it, and of the body of a refusal. */
const MAX_EXTRA_BYTES = 1024 * 1024;
const MAX_TRAILING = 64 * 1024;
const MAX_ERROR = 64 * 1024;
const MAX_EXCERPT = 512;
/** Milliseconds for a stream to end after its answer was read; then the connection is given up. */
const LINGER = 1000;

/** One JSON-RPC request on its way. */
export interface Asking {
  readonly id: number;
  /** Names and values, alternating. */
  readonly headers: string[];
  readonly body: Buffer;
  /** Milliseconds: for a connection, and from then on for the answer. */
  readonly deadline: number;
  readonly modern: boolean;
  /** Whose request it is; undefined: our own, of which nobody hears more than the answer. */
  readonly call: UpstreamCall | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * One POST and its answer, in JSON or on an event stream, which may break and be resumed. Only what the plain case
 * needs is made beforehand.
 */
export class Exchange implements Dispatcher.DispatchHandler, Watched {
  /** The session that the answer's head opens: an id, none, or why it is none. */
  session: string | undefined | UpstreamFailure;
  readonly #wire: Wire;
  readonly #asking: Asking;
  readonly #resolve: (answer: RpcAnswer) => void;
  readonly #reject: (failure: UpstreamFailure) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #deadlineAt: number;
  #settled = false;
  #status = 0;
  #json = false;
  #chunk: Buffer | undefined;
  #more: Buffer[] | undefined;
  #bytes = 0;
  #events: EventReader | undefined;
  #asides: Asides | undefined;
  #pause: Pause | undefined;
  #resumption: Resumption | undefined;

  constructor(
    wire: Wire,
    asking: Asking,
    resolve: (answer: RpcAnswer) => void,
    reject: (failure: UpstreamFailure) => void,
  ) {
    this.#wire = wire;
    this.#asking = asking;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#deadlineAt = wire.watch.after(asking.deadline);
  }

  start(): void {
    const { calls, path } = this.#wire.target;
    const { headers, body, signal } = this.#asking;
    if (signal?.aborted) this.#fail(cancelled());
    else {
      this.#wire.watch.add(this);
      calls.dispatch({ path, method: 'POST', headers, body }, this);
    }
  }

  /** What the server sends in mid-call on another stream of the session. */
  aside(message: Exclude<Message, { kind: 'answer' }>): void {
    if (this.#settled) return;
    try {
      this.#receiveAside(message);
    } catch (error) {
      this.#fail(asFailure(error));
    }
  }

  check(now: number): void {
    const { signal, deadline } = this.#asking;
    if (this.#settled) {
      if (now >= this.#deadlineAt) this.#give(bad('a stream that goes on after the answer'));
    } else if (signal?.aborted) this.#withdraw(cancelled());
    else if (now >= (this.#pause?.until ?? this.#deadlineAt))
      this.#withdraw(
        new UpstreamFailure('upstream', `no ${this.#controller ? 'answer' : 'connection'} within ${deadline} ms`),
      );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#settled) controller.abort(cancelled());
    else this.#deadlineAt = this.#wire.watch.after(this.#asking.deadline);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers): void {
    this.#status = status;
    const kind = bodyKind(headers);
    this.#json = kind === 'json';
    if (this.#refused) return;
    this.session = sessionId(headers);
    if (kind === 'events') this.#events = new EventReader(this.#wire.maxResult, (data) => this.#receive(data));
    else if (kind !== 'json') this.#fail(kind);
  }

  /** Redirects are not followed either. */
  get #refused(): boolean {
    return this.#status < 200 || this.#status > 299;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#settled) {
      if (this.#bytes > MAX_TRAILING) this.#give(bad('more after the answer'));
      return;
    }
    try {
      if (this.#events) this.#stream(this.#events, chunk);
      else this.#collect(chunk);
    } catch (error) {
      this.#fail(asFailure(error));
    }
  }

  onResponseEnd(): void {
    try {
      if (this.#settled) this.#wire.watch.delete(this);
      else if (this.#events) this.#lost(bad('a stream that ended without the answer'));
      else if (this.#refused) this.#refuse(this.#body());
      else this.#readBody(this.#body());
    } catch (error) {
      this.#fail(asFailure(error));
    }
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#settled) this.#wire.watch.delete(this);
    else if (this.#events && !(error instanceof UpstreamFailure)) this.#lost(broken(error));
    else this.#fail(broken(error));
  }

  #stream(events: EventReader, chunk: Buffer): void {
    if (this.#bytes > this.#wire.maxResult + MAX_EXTRA_BYTES) throw new UpstreamFailure('size', 'too long a stream');
    events.push(chunk);
  }

  #collect(chunk: Buffer): void {
    const { maxResult } = this.#wire;
    if (!this.#refused && this.#bytes > maxResult)
      throw new UpstreamFailure('size', `a response of more than ${maxResult} bytes`);
    if (this.#chunk === undefined) this.#chunk = chunk;
    else if (this.#more === undefined) this.#more = [this.#chunk, chunk];
    else this.#more.push(chunk);
    if (this.#refused && this.#bytes > (this.#json ? MAX_ERROR : MAX_EXCERPT))
      throw new HttpFailure(this.#status, this.#body());
  }

  #body(): Buffer {
    return this.#more === undefined ? (this.#chunk ?? Buffer.alloc(0)) : Buffer.concat(this.#more);
  }

  #readBody(bytes: Buffer): void {
    const plain = plainResult(decode(bytes), this.#asking.id);
    if (plain !== undefined) {
      this.#done({ kind: 'result', raw: plain });
      return;
    }
    const message = readMessage(bytes);
    if (message.kind !== 'answer') throw bad('a message that is not the answer');
    this.#answered(message);
  }

  /**
   * A status other than success. From 2026-07-28 on, and from some older servers, its body answers the request; a 404 of
   * an older one means that the session is over (MCP 2025-11-25, Session Management).
   */
  #refuse(bytes: Buffer): void {
    const { id, modern } = this.#asking;
    const failure = new HttpFailure(this.#status, bytes);
    if (!this.#json || (this.#status === 404 && !modern)) throw failure;
    let message: Message;
    try {
      message = readMessage(bytes);
    } catch {
      throw failure;
    }
    if (message.kind !== 'answer' || message.id !== id || message.answer.kind !== 'error') throw failure;
    this.#done(message.answer);
  }

  #receive(data: string): void {
    if (this.#settled) return;
    const plain = this.#asides === undefined ? plainResult(data, this.#asking.id) : undefined;
    if (plain !== undefined) {
      this.#done({ kind: 'result', raw: plain });
      return;
    }
    const message = readText(data);
    if (message.kind === 'answer') this.#answered(message);
    else this.#receiveAside(message);
  }

  #answered({ id, answer }: Message & { kind: 'answer' }): void {
    if (id !== this.#asking.id) throw bad(`id ${JSON.stringify(id).slice(0, 64)}, not ${this.#asking.id}`);
    this.#done(answer);
  }

  #receiveAside(message: Exclude<Message, { kind: 'answer' }>): void {
    const { call, headers, modern } = this.#asking;
    if (message.kind === 'request' && modern) throw bad('a request (removed in MCP 2026-07-28)');
    this.#asides ??= new Asides({
      notify: call && ((raw) => call.notify(raw)),
      ask: call && ((request) => call.ask(request)),
      respond: (response) => this.#wire.side.post(headers, response),
      onAsking: (open) => this.#wait(open, call?.subject ?? ''),
    });
    this.#asides.receive(message);
  }

  /** The server waits for the client, and the deadline stands still. */
  #wait(open: boolean, subject: string): void {
    this.#pause ??= new Pause(this.#wire, subject);
    if (!open) this.#deadlineAt += this.#pause.end();
    else if (this.#pause.may) this.#pause.begin();
    else this.#fail(new UpstreamFailure('overload', 'too many calls wait for their clients'));
  }

  /** The stream is over and the answer has not come. */
  #lost(failure: UpstreamFailure): void {
    const { modern, headers } = this.#asking;
    const { lastId, retry } = this.#events ?? {};
    if (modern || lastId === undefined) {
      this.#fail(failure);
      return;
    }
    this.#resumption = new Resumption(this.#wire, withoutBody(headers), lastId, {
      data: (text) => this.#receive(text),
      failed: (why) => this.#fail(why),
    });
    this.#resumption.again(retry);
  }

  #done(answer: RpcAnswer): void {
    this.#settle();
    // The connection is kept when the stream ends by itself soon.
    if (this.#events && this.#resumption === undefined) {
      this.#bytes = 0;
      this.#deadlineAt = this.#wire.watch.after(LINGER);
      this.#wire.watch.add(this);
    }
    this.#resolve(answer);
  }

  /** To an older server a disconnect is no cancellation (MCP 2025-11-25, Cancellation); it is told. */
  #withdraw(failure: UpstreamFailure): void {
    const { id, headers, modern, call } = this.#asking;
    if (this.#controller && !modern && call)
      this.#wire.side.post(
        headers,
        `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`,
      );
    this.#fail(failure);
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(failure);
    this.#controller?.abort(failure);
  }

  #give(why: UpstreamFailure): void {
    this.#wire.watch.delete(this);
    this.#controller?.abort(why);
  }

  #settle(): void {
    this.#settled = true;
    this.#wire.watch.delete(this);
    this.#chunk = undefined;
    this.#more = undefined;
    this.#asides?.end();
    this.#pause?.end();
    this.#resumption?.close();
  }
}
