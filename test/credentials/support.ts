import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type Agent, createServer as createHttpsServer, request as httpsRequest, type Server } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock } from '../../src/contract/clock.ts';
import type { Loan, WireLease, WireSecret, WireUse } from '../../src/contract/wire-secret.ts';
import { authorityCertificate, leafCertificate } from '../../src/control-plane/pki/certificates.ts';
import { EgressDenied } from '../../src/runtime/egress/denied.ts';
import { terminatorFor } from '../../src/runtime/egress/termination/terminator.ts';

export const SECRET = 'sk_live_"4eC39Hq/LyjW+DarjtT1zdp7dc';
export const API = 'api.example.org';

export const notes: WireSecret = {
  ref: 'notes-api',
  host: API,
  port: 443,
  methods: ['GET', 'POST'],
  paths: ['/v1/*', '/exact'],
  header: 'authorization',
  template: 'Bearer {value}',
};

export function lease(more: Partial<WireLease> = {}): WireLease {
  return { id: 'lease-1', ref: 'notes-api', value: SECRET, version: 1, until: Number.MAX_SAFE_INTEGER, ...more };
}

/** What a call brings; `uses` tells what became of it. */
export function loan(...leases: readonly WireLease[]): Loan & { readonly uses: WireUse[] } {
  const uses: WireUse[] = [];
  return { leases: leases.length === 0 ? [lease()] : leases, uses, used: (use) => uses.push(use) };
}

/** Everything below a directory, each file's bytes. */
export function bytesBelow(directory: string): Map<string, Buffer> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => statSync(join(directory, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(directory, name))]));
}

/** Time that passes when a test says so. */
export class TestClock implements Clock {
  #now = Date.now();
  readonly #timers = new Set<{ at: number; run: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimer(run: () => void, ms: number): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** A real TLS API, with an authority of its own, that remembers what it was asked. */
export interface TestApi extends AsyncDisposable {
  readonly ca: string;
  readonly seen: Seen[];
  readonly port: number;
}

type Respond = (request: IncomingMessage, response: ServerResponse, body: string) => void;

export async function openApi(answer: Respond, names: readonly string[]): Promise<TestApi> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ca = await authorityCertificate(privateKey, Date.now());
  const { key, cert } = await leafCertificate(privateKey, names, Date.now());
  const seen: Seen[] = [];
  const server: Server = createHttpsServer({ key, cert }, async (request, response) => {
    const { method = '', url = '', headers, rawHeaders } = request;
    const body = (await request.toArray()).join('');
    seen.push({ method, url, headers, rawHeaders, body });
    answer(request, response, body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    ca,
    seen,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A host that answers every request with the same bytes, whether or not they are HTTP. */
export async function rawApi(t: TestContext, answer: string) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ca = await authorityCertificate(privateKey, Date.now());
  const server = createTlsServer(await leafCertificate(privateKey, [API], Date.now()), (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer, 'latin1'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  return { ca, port: (server.address() as AddressInfo).port };
}

/** One that is gone when the test ends. */
export async function testApi(
  t: TestContext,
  answer: Respond = (_, response) => response.end('fine'),
  names: readonly string[] = [API],
): Promise<TestApi> {
  const api = await openApi(answer, names);
  t.after(() => api[Symbol.asyncDispose]());
  return api;
}

/** The terminating end of one sandbox's egress, behind a real socket whose connections were judged to be for `name`. */
export async function terminating(
  t: TestContext,
  api: { readonly port: number; readonly ca: string },
  {
    name = API,
    secrets = [notes] as readonly WireSecret[],
    clock = new TestClock(),
    names = [API],
    spend = (_: number): void => {},
  } = {},
) {
  const rules = names.map((host) => ({ host, port: 443, tls: true, inspect: true, ca: api.ca }));
  const terminator = terminatorFor(rules, secrets, clock);
  const reports: string[] = [];
  const carried: Promise<void>[] = [];
  const dialled: Socket[] = [];
  const server = createServer(async (socket) => {
    // As a proxy does that has looked at the ClientHello and put it back.
    const [first] = await once(socket, 'data');
    socket.pause();
    socket.unshift(first);
    const dial = async () => {
      const upstream = connect(api.port, '127.0.0.1');
      dialled.push(upstream);
      await once(upstream, 'connect');
      return upstream;
    };
    const rule = { ...rules[0], host: name, port: 443, tls: true, inspect: true };
    const over = terminator.terminate({ client: socket, name, rule, dial, spend }).catch((error) => {
      socket.destroy();
      assert.ok(error instanceof EgressDenied, error);
      reports.push(error.message);
    });
    carried.push(over);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const open = new Set<Socket>();
  server.on('connection', (socket) => open.add(socket));
  t.after(() => {
    server.close();
    for (const socket of [...open, ...dialled]) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { terminator, reports, settled: () => Promise.all(carried), dialled, clock, port, ca: terminator.ca };
}

export interface Asked {
  readonly port: number;
  readonly ca: string;
}

export interface Answer {
  readonly status: number;
  readonly message: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: readonly string[];
}

/** What an ordinary client in the sandbox gets. */
export function ask(
  { port, ca }: Asked,
  path: string,
  more: { method?: string; headers?: Record<string, string | string[]>; body?: string; agent?: Agent } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body, agent } = more;
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(
      {
        port,
        host: '127.0.0.1',
        servername: API,
        ca,
        path,
        method,
        headers: { host: API, ...headers },
        agent: agent ?? false,
      },
      (response) => {
        response.toArray().then((chunks) => {
          const { statusCode: status = 0, statusMessage: message = '', headers, rawTrailers: trailers } = response;
          resolve({ status, message, headers, body: Buffer.concat(chunks).toString('latin1'), trailers });
        }, reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A TLS connection to say anything in. */
export async function speak({ port, ca }: Asked, servername = API, ALPNProtocols?: string[]): Promise<TLSSocket> {
  const socket = tlsConnect({ port, host: '127.0.0.1', servername, ca, ...(ALPNProtocols && { ALPNProtocols }) });
  await once(socket, 'secureConnect');
  return socket;
}

/** Says something in a connection of its own; resolves with all that comes back until the other side hangs up. */
export async function say(asked: Asked, bytes: string): Promise<string> {
  const socket = await speak(asked);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return heard;
}
