import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../contract/refusal.ts';

/** Bytes of bodies that all connections may hold together. */
export interface BodyBudget {
  held: number;
  readonly max: number;
}

export interface BodyLimits {
  /** Bytes of this body. */
  readonly max: number;
  /** Milliseconds from the first read to the last byte. */
  readonly timeout: number;
  readonly budget: BodyBudget;
}

/**
 * Reads a request's whole body.
 * @throws Refusal body-size above the bound (RFC 9110 §15.5.14), body-timeout where it trickles, overload where too much
 * is held, invalid-request where the client went away
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
  const { max, timeout, budget } = limits;
  if (Number(request.headers['content-length'] ?? 0) > max) {
    throw new Refusal('body-size', `content-length ${request.headers['content-length']}`);
  }
  if (request.complete) return arrivedBody(request, limits);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => settle(new Refusal('body-timeout', `${size} bytes in ${timeout} ms`)), timeout);

    const settle = (refusal?: Refusal) => {
      clearTimeout(timer);
      budget.held -= size;
      request.off('data', take).off('end', end).off('close', gone).off('error', gone);
      if (refusal === undefined) resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
      else reject(refusal);
    };
    const take = (chunk: Buffer) => {
      size += chunk.length;
      budget.held += chunk.length;
      chunks.push(chunk);
      if (size > max) settle(new Refusal('body-size', `more than ${max} bytes`));
      else if (budget.held > budget.max) settle(new Refusal('overload', `${budget.held} bytes of bodies are held`));
    };
    const gone = () => settle(new Refusal('invalid-request', 'the client went away'));
    const end = () => settle();

    request.on('data', take).on('end', end).on('close', gone).on('error', gone);
  });
}

/** A body that came with its head, as most do: it lies in the buffer whole. @throws Refusal body-size, overload */
function arrivedBody(request: IncomingMessage, { max, budget }: BodyLimits): Uint8Array {
  const bytes: Buffer = request.read() ?? Buffer.alloc(0);
  if (bytes.length > max) throw new Refusal('body-size', `more than ${max} bytes`);
  if (budget.held + bytes.length > budget.max) throw new Refusal('overload', `${budget.held} bytes of bodies are held`);
  return bytes;
}
