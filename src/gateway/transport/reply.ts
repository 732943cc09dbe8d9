import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from '../../contract/answer.ts';

/** How much of a request that nobody read is taken in, so that its sender gets to read the answer. */
export interface Linger {
  readonly bytes: number;
  readonly ms: number;
}

/** Milliseconds that a client may take to read its answer. */
const READ_TIMEOUT = 30_000;

/**
 * Writes the answer. A request that is still being sent is drained for a moment first: closing at once would reset
 * the connection under the client's hands (RFC 9112 §9.6). What goes on beyond that is cut off.
 */
export function reply(request: IncomingMessage, response: ServerResponse, answer: Answer, linger: Linger): void {
  if (response.destroyed) return;
  if (response.headersSent) {
    // The answer has become a stream, and its last event is the answer.
    response.end();
    return;
  }
  if (answer.status === 204) response.writeHead(204, answer.headers);
  else response.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body) });
  if (request.complete) finish(response, answer.body);
  else drainFirst(request, response, answer.body, linger);
}

function drainFirst(request: IncomingMessage, response: ServerResponse, body: string, linger: Linger): void {
  if (body === '') response.flushHeaders();
  else response.write(body);
  let drained = 0;
  const timer = setTimeout(() => request.socket.destroy(), linger.ms);
  const over = () => {
    clearTimeout(timer);
    finish(response, '');
  };
  request.on('data', (chunk: Buffer) => {
    drained += chunk.length;
    if (drained > linger.bytes) request.socket.destroy();
  });
  request.once('end', over).once('close', over);
}

function finish(response: ServerResponse, body: string): void {
  response.end(body);
  if (response.writableLength === 0) return;
  // An answer that waits behind another has no connection yet: without an end of that, it would stay.
  const timer = setTimeout(() => response.req.socket.destroy(), READ_TIMEOUT);
  timer.unref();
  response.once('close', () => clearTimeout(timer));
}
