import { createServer as createPlain } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { certificate } from '../../edge/certificate.ts';

/** A TLS API on the loopback: answers with what was asked of it. */
export interface Api extends AsyncDisposable {
  readonly port: number;
  /** What a client that should believe it trusts, PEM. */
  readonly ca: string;
  /** `METHOD PATH` of every request that has reached it. */
  readonly seen: string[];
}

export async function openApi(...names: string[]): Promise<Api> {
  const { cert, key } = await certificate(...names);
  const seen: string[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.end(JSON.stringify({ host: request.headers.host, path: request.url }));
  });
  return { ca: cert, seen, ...(await listening(server)) };
}

export async function openPlainApi(): Promise<Api> {
  const seen: string[] = [];
  const server = createPlain((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host}`);
    response.end(JSON.stringify({ host: request.headers.host, path: request.url }));
  });
  return { ca: '', seen, ...(await listening(server)) };
}

async function listening(server: ReturnType<typeof createPlain>) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
