import type { Dispatcher } from 'undici';
import { UpstreamFailure } from '../upstream.ts';
import { broken, HttpFailure } from './failures.ts';
import { withoutBody } from './headers.ts';
import type { Target } from './target.ts';

/** Milliseconds for the server to take a message to which there is no answer. */
const PATIENCE = 5000;
/** Bytes of a body that nobody reads. */
const MAX_BODY = 64 * 1024;
/** Messages on their way at the same time; a server that takes none of them gets no more. */
const MAX_PENDING = 1000;

/** Sends what has no answer of its own: responses to the server's requests, notifications, the end of a session. */
export class SideChannel {
  readonly #target: Target;
  readonly #idle: (() => void)[] = [];
  #pending = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  /**
   * Resolves when the server has taken the message.
   * @param body undefined: the session of these headers is over (DELETE)
   * @throws UpstreamFailure
   */
  async send(headers: string[], body: string | undefined): Promise<void> {
    if (this.#pending >= MAX_PENDING) throw new UpstreamFailure('overload', 'the server does not take its messages');
    this.#pending++;
    try {
      await new Promise<void>((resolve, reject) => {
        const { side, path } = this.#target;
        const [method, own] = body === undefined ? ['DELETE', withoutBody(headers)] : ['POST', headers];
        side.dispatch({ path, method, headers: own, body: body ?? null }, new OneWay(resolve, reject));
      });
    } finally {
      this.#pending--;
      if (this.#pending === 0) for (const idle of this.#idle.splice(0)) idle();
    }
  }

  /** Resolves when nothing is on its way, at the latest after `patience` milliseconds. */
  async idle(patience: number): Promise<void> {
    if (this.#pending === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patience);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** As `send`, where it is the server's own affair whether it listens. */
  post(headers: string[], body: string | undefined): void {
    this.send(headers, body).catch(() => {});
  }
}

class OneWay implements Dispatcher.DispatchHandler {
  readonly #resolve: () => void;
  readonly #reject: (failure: UpstreamFailure) => void;
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #expired: UpstreamFailure | undefined;
  #status = 0;
  #bytes = 0;

  constructor(resolve: () => void, reject: (failure: UpstreamFailure) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#expire(`not taken within ${PATIENCE} ms`), PATIENCE).unref();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#expired) controller.abort(this.#expired);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
    if (status >= 200 && status <= 299) this.#resolve();
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BODY) this.#expire('a body where none belongs');
  }

  onResponseEnd(): void {
    clearTimeout(this.#timer);
    this.#reject(new HttpFailure(this.#status, Buffer.alloc(0)));
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    this.#reject(broken(error));
  }

  #expire(why: string): void {
    this.#expired = new UpstreamFailure('upstream', why);
    this.#reject(this.#expired);
    this.#controller?.abort(this.#expired);
  }
}
