import type { ServerResponse } from 'node:http';
import type { EventStream, ServerSentEvent } from '../../contract/event-stream.ts';

const HEAD = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-accel-buffering': 'no',
} as const;

/** Milliseconds between comments on a silent stream, so that nothing between us and the client takes it for dead. */
const KEEP_ALIVE = 15_000;
/** Bytes that may wait for a client that does not read. */
const MAX_UNREAD = 4 * 1024 * 1024;
/** So many times of that in a row a client may have read nothing of what waits, also after the stream's end. */
const PATIENCE = 2;

/** The answer as a stream of events; costs nothing until something is sent. */
export function eventStream(response: ServerResponse): EventStream {
  return new ResponseEvents(response);
}

class ResponseEvents implements EventStream {
  readonly #response: ServerResponse;
  #timer: NodeJS.Timeout | undefined;
  /** Bytes written, and how many of them had left when the timer rang last. */
  #written = 0;
  #left = 0;
  #stalled = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get state(): EventStream['state'] {
    const { closed, destroyed, writableEnded } = this.#response;
    if (closed || destroyed || writableEnded) return 'closed';
    return this.#timer === undefined ? 'idle' : 'open';
  }

  open(headers: Readonly<Record<string, string>> = {}): void {
    if (this.state !== 'idle') return;
    this.#response.writeHead(200, { ...HEAD, ...headers });
    this.#response.flushHeaders();
    this.#timer = setInterval(() => this.#keepAlive(), KEEP_ALIVE).unref();
    this.onClosed(() => clearInterval(this.#timer));
  }

  send(event: ServerSentEvent): boolean {
    this.open();
    return this.#write(encode(event));
  }

  end(): void {
    if (this.state === 'open') this.#response.end();
  }

  onClosed(listener: () => void): void {
    if (this.#response.closed || this.#response.destroyed) listener();
    else this.#response.once('close', listener);
  }

  #keepAlive(): void {
    const { writableLength } = this.#response;
    const left = this.#written - writableLength;
    this.#stalled = writableLength > 0 && left <= this.#left ? this.#stalled + 1 : 0;
    this.#left = left;
    if (this.#stalled >= PATIENCE) this.#cut();
    else if (writableLength === 0) this.#write(':\n\n');
  }

  /** The connection goes, not the response alone: one that waits behind another has no connection yet, and would stay. */
  #cut(): void {
    this.#response.req.socket.destroy();
  }

  #write(text: string): boolean {
    if (this.state !== 'open') return false;
    // What waits is judged before more is added: one event may be as large as a result.
    if (this.#response.writableLength > MAX_UNREAD) {
      this.#cut();
      return false;
    }
    this.#written += Buffer.byteLength(text);
    this.#response.write(text);
    return true;
  }
}

/** A raw line break would end the field; JSON has them only between its tokens, where a space means the same. */
function encode({ id, event, retry, data }: ServerSentEvent): string {
  const fields = [
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(retry === undefined ? [] : [`retry: ${retry}`]),
    `data: ${data.replace(/[\r\n]/g, ' ')}`,
  ];
  return `${fields.join('\n')}\n\n`;
}
