import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** Bytes of one message. */
const MAX_MESSAGE = 4 * 1024 * 1024;
const PREFIX = 5;
/** An empty message, uncompressed (gRPC over HTTP/2, Length-Prefixed-Message). */
const EMPTY = Buffer.alloc(PREFIX);

/** How a call ended that was not meant to. */
export class GrpcError extends Error {
  /** gRPC status code; undefined: it did not come to one. */
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
  }
}

/**
 * One server-streaming call with an empty request to the SPIFFE Workload API on a unix socket. Each message goes to
 * `receive`; what that throws ends the call. Resolves never: rejects when the call is over, for whatever reason.
 */
export function follow(
  socketPath: string,
  method: string,
  receive: (message: Buffer) => void,
  signal: AbortSignal,
): Promise<never> {
  return new Promise((_, reject) => {
    const session: ClientHttp2Session = connect('http://localhost', {
      createConnection: () => connectSocket(socketPath),
    });
    const over = (error: Error): void => {
      reject(error);
      signal.removeEventListener('abort', ended);
      session.destroy();
    };
    const ended = (): void => over(new GrpcError('ended by us'));
    signal.addEventListener('abort', ended, { once: true });
    session.on('error', (error: Error) => over(new GrpcError(error.message)));
    session.on('close', () => over(new GrpcError('the connection was closed')));
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: `/SpiffeWorkloadAPI/${method}`,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
      // Shows that nobody was made to send this by a server-side request forgery (SPIFFE Workload Endpoint §6).
      'workload.spiffe.io': 'true',
    });
    stream.on('error', (error: Error) => over(new GrpcError(error.message)));
    const status = (headers: Readonly<Record<string, unknown>>): void => {
      const code = headers['grpc-status'];
      if (code !== undefined) over(new GrpcError(decoded(headers['grpc-message']), Number(code)));
    };
    stream.on('response', status).on('trailers', status);
    stream.on('close', () => over(new GrpcError('the call was ended')));
    let held = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      try {
        for (let next = framed(held); next !== undefined; next = framed(held)) {
          held = held.subarray(PREFIX + next.length);
          receive(next);
        }
      } catch (error) {
        over(error instanceof Error ? error : new GrpcError(String(error)));
      }
    });
    stream.end(EMPTY);
  });
}

/** The first whole message. @throws GrpcError */
function framed(held: Buffer): Buffer | undefined {
  if (held.length < PREFIX) return undefined;
  if (held.readUInt8(0) !== 0) throw new GrpcError('a compressed message, which was not asked for');
  const length = held.readUInt32BE(1);
  if (length > MAX_MESSAGE) throw new GrpcError(`a message of ${length} bytes`);
  return held.length < PREFIX + length ? undefined : held.subarray(PREFIX, PREFIX + length);
}

function decoded(message: unknown): string {
  try {
    return decodeURIComponent(String(message ?? ''));
  } catch {
    return String(message);
  }
}
