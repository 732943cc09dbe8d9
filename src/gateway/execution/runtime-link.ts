import { connect, type Socket } from 'node:net';
import { Refusal } from '../../contract/refusal.ts';
import {
  encodeFrame,
  FrameReader,
  type FromRuntime,
  type LinkFrame,
  type ToRuntime,
} from '../../contract/runtime-link.ts';
import { upstreamError, upstreamFailure } from './refusals.ts';

/** Bytes of one frame; the runtime sends none above its largest `maxResult`. */
const MAX_FRAME = 64 * 1024 * 1024;

interface Pending {
  readonly method: string;
  resolve(result: Uint8Array): void;
  reject(refusal: Refusal): void;
}

/** The gateway's end of the link to zone 2. Connects when it is needed, and again after it was lost. */
export class RuntimeLink {
  readonly #path: string;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;
  #lastId = 0;
  #corked = false;
  #closed = false;

  /** @param path of the runtime's unix socket */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Has one request answered by a server: the raw JSON of its `result`.
   * @param head `subject` keys what must not be shared between subjects
   * @param params raw JSON
   * @param signal aborted when nobody waits any more; the sandbox is then killed
   * @throws Refusal `isolation`, `upstream`, `size`, `overload`, `unknown-resource`, or `unavailable` when the link is lost
   */
  call(
    head: { readonly server: string; readonly method: string; readonly subject: string },
    params: string,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { server, method, subject } = head;
    return this.#ask(
      (id) => ({ kind: 'call', id, server, method, subject, capabilities: '{}' }),
      method,
      params,
      signal,
    );
  }

  /**
   * A server's live descriptors: the JSON of LiveDescriptors.
   * @throws Refusal as `call` does
   */
  describe(server: string, signal: AbortSignal): Promise<Uint8Array> {
    return this.#ask((id) => ({ kind: 'describe', id, server }), 'describe', '', signal);
  }

  /** Refuses what waits and does not connect again. */
  close(): void {
    this.#closed = true;
    this.#lost('closed');
  }

  #ask(head: (id: number) => ToRuntime, method: string, body: string, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Refusal('unavailable', 'the link to the runtime is closed'));
      if (signal.aborted) return reject(new Refusal('unavailable', 'the caller has gone'));
      const id = ++this.#lastId;
      const abort = () => {
        this.#pending.delete(id);
        this.#send(encodeFrame({ kind: 'cancel', id }));
        reject(new Refusal('unavailable', 'the caller has gone'));
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#pending.set(id, {
        method,
        resolve: (result) => {
          signal.removeEventListener('abort', abort);
          resolve(result);
        },
        reject: (refusal) => {
          signal.removeEventListener('abort', abort);
          reject(refusal);
        },
      });
      this.#send(encodeFrame(head(id), body));
    });
  }

  /** Frames of one turn of the event loop leave in one write. */
  #send(frame: Uint8Array): void {
    this.#socket ??= this.#connect();
    const socket = this.#socket;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      setImmediate(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    socket.write(frame);
  }

  #connect(): Socket {
    const socket = connect(this.#path);
    const reader = new FrameReader<FromRuntime>(MAX_FRAME);
    const lost = (why: string) => {
      if (this.#socket === socket) this.#lost(why);
    };
    socket.on('data', (chunk) => {
      try {
        for (const frame of reader.push(chunk)) this.#receive(frame);
      } catch (error) {
        lost(error instanceof Error ? error.message : 'a bad frame');
      }
    });
    socket.on('error', (error) => lost(error.message));
    socket.on('close', () => lost('the runtime went away'));
    return socket;
  }

  #receive({ head, body }: LinkFrame<FromRuntime>): void {
    const pending = this.#pending.get(head.id);
    // An answer that crossed its cancellation; or progress, which no stage sanitizes yet.
    if (pending === undefined || head.kind === 'notification' || head.kind === 'ask' || head.kind === 'listening')
      return;
    this.#pending.delete(head.id);
    if (head.kind === 'result') pending.resolve(body);
    else if (head.kind === 'error') pending.reject(upstreamError(pending.method, body));
    else pending.reject(upstreamFailure(head.code, head.detail));
  }

  #lost(why: string): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#corked = false;
    socket?.destroy();
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting)
      pending.reject(new Refusal('unavailable', `the link to the runtime is lost: ${why}`));
  }
}
