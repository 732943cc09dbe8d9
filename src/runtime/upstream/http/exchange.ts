import type { Dispatcher } from 'undici';
import { type Message, readMessage } from '../message.ts';
import { asFailure, cancelled, printable, type RpcAnswer, UpstreamFailure } from '../upstream.ts';
import { EventReader } from './event-reader.ts';
import type { Target } from './target.ts';

/** Beside the answer: bytes of a whole response, of an excerpt for the log, and what may follow the answer. */
const MAX_EXTRA_BYTES = 1024 * 1024;
const MAX_EXCERPT = 512;
const MAX_TRAILING = 64 * 1024;
/** Milliseconds for a response to end after its answer was read; then the connection is given up. */
const LINGER = 1000;

export interface Post {
  readonly httpMethod: 'POST' | 'DELETE';
  /** Names and values, alternating. */
  readonly headers: string[];
  readonly body: Buffer | null;
  /** The id that must be answered; undefined: a notification, a response, a DELETE. */
  readonly id: number | undefined;
  /** Milliseconds from the moment a connection is there. */
  readonly deadline: number;
  /** Bytes of one message. */
  readonly maxResult: number;
  readonly signal?: AbortSignal | undefined;
  /** What the server sends on the stream before its answer. */
  onAside?(message: Message): void;
}

export interface Reply {
  readonly sessionId: string | undefined;
  readonly answer: RpcAnswer | undefined;
}

/** The server answered with an HTTP status other than success. */
export class HttpFailure extends UpstreamFailure {
  readonly status: number;

  constructor(status: number, excerpt: string) {
    super('upstream', `HTTP status ${status}${excerpt === '' ? '' : `: ${JSON.stringify(excerpt)}`}`);
    this.status = status;
  }
}

/** One POST and its response, JSON or event stream. Rejects with UpstreamFailure. */
export function exchange(target: Target, post: Post): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const handler = new Exchange(post, resolve, reject);
    const { httpMethod: method, headers, body } = post;
    target.pool.dispatch({ path: target.path, method, headers, body }, handler);
  });
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

class Exchange implements Dispatcher.DispatchHandler {
  readonly #post: Post;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (failure: UpstreamFailure) => void;
  readonly #onAbort = () => this.#fail(cancelled());
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #settled = false;
  #status = 0;
  #sessionId: string | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #trailing = 0;
  #events: EventReader | undefined;

  constructor(post: Post, resolve: (reply: Reply) => void, reject: (failure: UpstreamFailure) => void) {
    this.#post = post;
    this.#resolve = resolve;
    this.#reject = reject;
    post.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (post.signal?.aborted) this.#onAbort();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#settled) {
      controller.abort(cancelled());
      return;
    }
    const { deadline } = this.#post;
    this.#timer = setTimeout(
      () => this.#fail(new UpstreamFailure('upstream', `no answer within ${deadline} ms`)),
      deadline,
    );
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers): void {
    this.#status = status;
    if (this.#failed) return;
    const failure = this.#post.id === undefined ? this.#done(undefined) : this.#begin(headers);
    if (failure) this.#fail(failure);
  }

  /** What is wrong with the head of a successful response, if anything is. */
  #begin(headers: Headers): UpstreamFailure | undefined {
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') return bad(`content-encoding ${String(encoding)}`);
    const sessionId = headers['mcp-session-id'];
    if (sessionId !== undefined) {
      if (typeof sessionId !== 'string' || !/^[\x21-\x7e]{1,1024}$/.test(sessionId)) return bad('a bad session id');
      this.#sessionId = sessionId;
    }
    const type = String(headers['content-type']).split(';', 1)[0]?.trim().toLowerCase();
    if (type === 'text/event-stream')
      this.#events = new EventReader(this.#post.maxResult, (data) => this.#receive(data));
    else if (type !== 'application/json') return bad(`content type ${String(headers['content-type'])}`);
    return undefined;
  }

  /** Redirects are not followed either. */
  get #failed(): boolean {
    return this.#status < 200 || this.#status > 299;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) {
      this.#trailing += chunk.length;
      if (this.#trailing > MAX_TRAILING) controller.abort(bad('more after the answer'));
      return;
    }
    this.#bytes += chunk.length;
    try {
      if (this.#failed) this.#excerpt(chunk);
      else if (this.#events) this.#stream(this.#events, chunk);
      else this.#collect(chunk);
    } catch (error) {
      this.#fail(asFailure(error));
    }
  }

  onResponseEnd(): void {
    clearTimeout(this.#timer);
    if (this.#settled) return;
    try {
      const whole = this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks);
      if (this.#failed) this.#fail(new HttpFailure(this.#status, excerptOf(whole)));
      else if (this.#events) this.#fail(bad('a stream that ended without the answer'));
      else this.#receive(whole);
      if (!this.#settled) this.#fail(bad('a message that is not the answer'));
    } catch (error) {
      this.#fail(asFailure(error));
    }
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    const { code } = error as NodeJS.ErrnoException;
    this.#fail(
      error instanceof UpstreamFailure
        ? error
        : new UpstreamFailure('upstream', `${code ?? error.name}: ${error.message}`),
    );
  }

  #excerpt(chunk: Buffer): void {
    this.#chunks.push(chunk);
    if (this.#bytes > MAX_EXCERPT) this.#fail(new HttpFailure(this.#status, excerptOf(Buffer.concat(this.#chunks))));
  }

  #stream(events: EventReader, chunk: Buffer): void {
    if (this.#bytes > this.#post.maxResult + MAX_EXTRA_BYTES) throw new UpstreamFailure('size', 'too long a stream');
    events.push(chunk);
  }

  #collect(chunk: Buffer): void {
    if (this.#bytes > this.#post.maxResult)
      throw new UpstreamFailure('size', `a response of more than ${this.#post.maxResult} bytes`);
    this.#chunks.push(chunk);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#settled) return;
    const message = readMessage(bytes);
    if (message.kind !== 'answer') this.#post.onAside?.(message);
    else if (message.id === this.#post.id) this.#done(message.answer);
    else throw bad(`id ${JSON.stringify(message.id).slice(0, 64)}, not ${this.#post.id}`);
  }

  #done(answer: RpcAnswer | undefined): undefined {
    this.#settle();
    // The connection is kept when the response ends by itself soon.
    if (this.#events || answer === undefined)
      this.#timer = setTimeout(
        () => this.#controller?.abort(bad('a stream that goes on after the answer')),
        LINGER,
      ).unref();
    this.#resolve({ sessionId: this.#sessionId, answer });
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(failure);
    this.#controller?.abort(failure);
  }

  #settle(): void {
    this.#settled = true;
    this.#chunks = [];
    clearTimeout(this.#timer);
    this.#post.signal?.removeEventListener('abort', this.#onAbort);
  }
}

function bad(what: string): UpstreamFailure {
  return new UpstreamFailure('upstream', `the server sent ${what}`);
}

function excerptOf(bytes: Buffer): string {
  return printable(bytes.toString('utf8').slice(0, MAX_EXCERPT), MAX_EXCERPT);
}
