import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from '../control-plane/upstream-authorization/authorization.ts';
import { UsageError } from './options.ts';

/** Milliseconds that a person gets. */
const PATIENCE = 5 * 60_000;
const PAGE =
  '<!doctype html><meta charset="utf-8"><title>innerkeep</title><p>That was it. You may close this page and go back to the terminal.';

/**
 * The browser of the person at the terminal, and the loopback address from which it comes back (RFC 8252 §7.3).
 * @param show tells the person which address to open
 */
export async function terminalBrowser(show: (url: string) => void): Promise<Browser> {
  const waiting = new Map<string, (query: URLSearchParams) => void>();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(`http://127.0.0.1${request.url?.startsWith('/') ? request.url : '/'}`);
    const states = searchParams.getAll('state');
    const arrive = states.length === 1 ? waiting.get(String(states[0])) : undefined;
    // Any page that the person has open can send him here; without the state it is nobody's answer.
    if (request.method !== 'GET' || pathname !== '/callback' || arrive === undefined)
      return void response.writeHead(404).end();
    response
      .writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
        connection: 'close',
      })
      .end(PAGE);
    arrive(searchParams);
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', listening);
  });
  const { port } = server.address() as AddressInfo;
  return {
    redirectUri: `http://127.0.0.1:${port}/callback`,
    visit: (url, state) =>
      new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer);
          waiting.delete(state);
        };
        const timer = setTimeout(() => {
          end();
          reject(new UsageError(`nobody came back from the server's issuer within ${PATIENCE / 60_000} minutes`));
        }, PATIENCE);
        waiting.set(state, (query) => {
          end();
          resolve(query);
        });
        show(url);
      }),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
