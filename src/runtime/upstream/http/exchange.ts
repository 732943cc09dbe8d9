import type { Dispatcher } from 'undici';
import type { Message } from '../message.ts';
import { isFault } from '../served.ts';
import { asFailure, cancelled, type RpcAnswer, UpstreamFailure } from '../upstream.ts';
import { answerIn, answerTo, errorTo, readEvent, readText } from './answer.ts';
import { Collector } from './collector.ts';
import { EventReader } from './event-reader.ts';
import { bad, broken, HttpFailure } from './failures.ts';
import { bodyKind, challengeIn, type Headers, sessionId } from './head.ts';
import { withoutBody } from './headers.ts';
import { type During, MidCall } from './mid-call.ts';
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
export interface Asking extends During {
  readonly id: number;
  readonly body: Buffer;
  /** Milliseconds: for a connection, and from then on for the answer. */
  readonly deadline: number;
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
  /** When the request went out, later by what its client was waited for. */
  #beganAt = Number.NaN;
  #deadlineAt: number;
  #settled = false;
  #status = 0;
  #challenge: string | undefined;
  #json = false;
  #body: Collector | undefined;
  #bytes = 0;
  #events: EventReader | undefined;
  #midCall: MidCall | undefined;
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

  /** What the server sends in mid-call on another stream of the session. @returns false where the call is over */
  aside(message: Exclude<Message, { kind: 'answer' }>): boolean {
    if (this.#settled) return false;
    try {
      this.#receiveAside(message);
    } catch (error) {
      this.#fail(asFailure(error));
    }
    return true;
  }

  check(now: number): void {
    const { signal, deadline } = this.#asking;
    if (this.#settled) {
      if (now >= this.#deadlineAt) this.#give(bad('a stream that goes on after the answer'));
    } else if (signal?.aborted) this.#withdraw(cancelled());
    else if (now >= (this.#midCall?.until ?? this.#deadlineAt))
      this.#withdraw(
        new UpstreamFailure('upstream', `no ${this.#controller ? 'answer' : 'connection'} within ${deadline} ms`),
      );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Thrown, it leaves the connection to the next request; `abort` would close it.
    if (this.#settled) throw cancelled();
    this.#deadlineAt = this.#wire.watch.after(this.#asking.deadline);
    this.#beganAt = performance.now();
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers): void {
    this.#status = status;
    const kind = bodyKind(headers);
    this.#json = kind === 'json';
    this.#challenge = challengeIn(headers);
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
      else if (this.#refused) this.#refuse(this.#bytesOf());
      else this.#done(answerIn(this.#bytesOf(), this.#asking.id));
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
    this.#body ??= new Collector();
    this.#body.push(chunk);
    if (this.#refused && this.#bytes > (this.#json ? MAX_ERROR : MAX_EXCERPT))
      throw new HttpFailure(this.#status, this.#body.bytes, this.#challenge);
  }

  #bytesOf(): Buffer {
    return this.#body?.bytes ?? Buffer.alloc(0);
  }

  /**
   * A status other than success. From 2026-07-28 on, and from some older servers, its body answers the request; a 404 of
   * an older one means that the session is over (MCP 2025-11-25, Session Management).
   */
  #refuse(bytes: Buffer): void {
    const { id, modern } = this.#asking;
    const failure = new HttpFailure(this.#status, bytes, this.#challenge);
    if (!this.#json || this.#challenge !== undefined || (this.#status === 404 && !modern)) throw failure;
    const answer = errorTo(bytes, id);
    if (answer === undefined) throw failure;
    this.#done(answer);
  }

  #receive(data: string): void {
    if (this.#settled) return;
    const { id } = this.#asking;
    const message = this.#midCall === undefined ? readEvent(data, id) : readText(data);
    if (message.kind === 'answer') this.#done(answerTo(message, id));
    else this.#receiveAside(message);
  }

  #receiveAside(message: Exclude<Message, { kind: 'answer' }>): void {
    this.#midCall ??= new MidCall(
      this.#wire,
      this.#asking,
      (paused) => {
        this.#deadlineAt += paused;
        this.#beganAt += paused;
      },
      (failure) => this.#fail(failure),
    );
    this.#midCall.receive(message);
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
    this.#beganAt += this.#midCall?.end() ?? 0;
    this.#asking.call?.served?.({ ms: performance.now() - this.#beganAt, fault: isFault(answer) });
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
    this.#body = undefined;
    this.#midCall?.end();
    this.#resumption?.close();
  }
}
