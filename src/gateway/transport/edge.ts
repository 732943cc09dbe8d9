import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Answer } from '../../contract/answer.ts';
import type { EdgeSettings } from '../../contract/bundle.ts';
import type { Arrived } from '../../contract/tool-call.ts';
import type { IssuerAnswer, IssuerRequest } from '../../contract/zone-link.ts';
import { arrived } from './arrived.ts';
import { type BodyBudget, readBody } from './body.ts';
import { clientCertificate } from './client-certificate.ts';
import { eventStream } from './event-stream.ts';
import { flatHeaders, remoteOf } from './headers.ts';
import { incidentIds } from './incident.ts';
import { issuerRoom } from './issuer-room.ts';
import { BAD_METHOD, NOT_FOUND, problem, resourceMetadata } from './public.ts';
import { reply } from './reply.ts';
import { route } from './routes.ts';
import { type ServerIdentity, secureContext, tlsOptions } from './tls.ts';

export interface EdgeDeps {
  readonly identity: ServerIdentity;
  /** What is in force now; a new bundle may bring new settings. */
  readonly settings: () => EdgeSettings;
  /** Issuers that the resource metadata names (RFC 9728 `authorization_servers`). */
  readonly issuers: () => readonly string[];
  /** The pipeline; it authenticates before it looks at anything, and turns refusals into answers. */
  readonly handle: (call: Arrived) => Promise<Answer>;
  /** The embedded issuer; absent: its endpoints are 404. */
  readonly issuer?: (request: IssuerRequest) => Promise<IssuerAnswer>;
  readonly report: (event: EdgeEvent) => void;
  readonly now: () => number;
  readonly limits?: Partial<EdgeLimits>;
}

/** What never became a call. Anyone can cause any number of them. */
interface EdgeEvent {
  readonly kind: 'tls' | 'http' | 'issuer' | 'internal';
  readonly detail: string;
  readonly remote: string;
}

/** Times in milliseconds. */
interface EdgeLimits {
  readonly connections: number;
  readonly handshake: number;
  readonly headers: number;
  readonly body: number;
  readonly keepAlive: number;
  /** Requests that one connection may have in flight; clients that do not pipeline have one. */
  readonly pipelined: number;
  /** Bytes of bodies that are being read or wait for their answer, all connections together. */
  readonly bodies: number;
}

const LIMITS: EdgeLimits = {
  connections: 2048,
  handshake: 5_000,
  headers: 10_000,
  body: 10_000,
  keepAlive: 60_000,
  pipelined: 8,
  bodies: 128 * 1024 * 1024,
};

/** What cannot be read as HTTP is answered without being understood; no path is known then. */
const BAD_HTTP: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

export interface Edge {
  /** Starts to listen; gives the port. @param isShared with other processes of this user (SO_REUSEPORT) */
  listen(host: string, port: number, isShared?: boolean): Promise<number>;
  /** New handshakes go by this; connections that are open stay. @throws Error when it cannot be used */
  renew(changed: Partial<Omit<ServerIdentity, 'serverNames'>>): void;
  /** Takes no new connection, lets calls in flight end for `grace` milliseconds, then cuts the rest off. */
  close(grace?: number): Promise<void>;
}

/** The one public listener: TLS 1.3, HTTP/1.1, the routes of the contract and nothing else. */
export function createEdge(deps: EdgeDeps): Edge {
  const limits = { ...LIMITS, ...deps.limits };
  const incident = incidentIds();
  const budget: BodyBudget = { held: 0, max: limits.bodies };
  const askIssuer = issuerRoom({ ...deps, timeout: limits.body, budget });
  const inFlight = new WeakMap<Duplex, number>();
  const connections = new Set<Duplex>();

  let identity = deps.identity;
  let context = secureContext(identity);

  const server = createServer({
    ...tlsOptions(deps.identity, () => context, limits.handshake),
    // Authentication comes first, so a missing Host is ours to refuse, and a repeated header must be visible.
    requireHostHeader: false,
    joinDuplicateHeaders: true,
    headersTimeout: limits.headers,
    requestTimeout: limits.headers + limits.body,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: limits.keepAlive,
  });
  server.maxConnections = limits.connections;
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', (request, response) => enter(request, response, false));
  server.on('checkContinue', (request, response) => enter(request, response, true));
  server.on('checkExpectation', (request, response) => enter(request, response, false));
  server.on('tlsClientError', (error, socket) => report('tls', error, socket.remoteAddress));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = BAD_HTTP.get(error.code ?? '') ?? (error.code?.startsWith('HPE_') ? '400 Bad Request' : undefined);
    if (status === undefined || !socket.writable || (inFlight.get(socket) ?? 0) > 0) {
      // A broken connection, a handshake that `tlsClientError` has told of, or one that is being answered already.
      socket.destroy();
      return;
    }
    report('http', error, 'remoteAddress' in socket ? String(socket.remoteAddress) : '');
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });

  function enter(request: IncomingMessage, response: ServerResponse, waits: boolean): void {
    const { socket } = request;
    const flying = (inFlight.get(socket) ?? 0) + 1;
    inFlight.set(socket, flying);
    response.once('close', () => inFlight.set(socket, (inFlight.get(socket) ?? 1) - 1));
    if (flying > limits.pipelined) {
      socket.destroy();
      return;
    }
    const linger = { bytes: deps.settings().maxBody, ms: 2_000 };
    serve(request, response, waits)
      .catch((error: unknown) => {
        report('internal', error, socket.remoteAddress);
        return problem(500, 'internal error');
      })
      .then((answer) => reply(request, response, answer, linger))
      .catch((error: unknown) => {
        report('internal', error, socket.remoteAddress);
        socket.destroy();
      });
  }

  async function serve(request: IncomingMessage, response: ServerResponse, waits: boolean): Promise<Answer> {
    const url = request.url ?? '';
    const cut = url.indexOf('?');
    const path = cut === -1 ? url : url.slice(0, cut);
    const where = route(path);
    switch (where.kind) {
      case 'mcp':
        return deps.handle(arrive(request, response, where, cut === -1 ? '' : url.slice(cut + 1), waits));
      case 'resource-metadata':
        if (request.method !== 'GET' && request.method !== 'HEAD') return BAD_METHOD;
        return resourceMetadata(deps.settings(), where.server, deps.issuers());
      case 'issuer':
        if (waits) response.writeContinue();
        return askIssuer(request, url);
      case 'none':
        return NOT_FOUND;
    }
  }

  function arrive(
    request: IncomingMessage,
    response: ServerResponse,
    { server, transport }: Pick<Arrived, 'server' | 'transport'>,
    query: string,
    waits: boolean,
  ): Arrived {
    let gone: AbortController | undefined;
    let held = 0;
    response.once('close', () => {
      budget.held -= held;
      if (!response.writableFinished) gone?.abort();
    });
    let body: Promise<Uint8Array> | undefined;
    return arrived({
      incident: incident(),
      at: deps.now(),
      remote: remoteOf(request),
      ...(identity.clientAuthorities !== undefined && { certificate: clientCertificate(request.socket) }),
      server,
      transport,
      httpMethod: request.method ?? '',
      query,
      headers: flatHeaders(request),
      body: () => {
        if (body === undefined && waits) response.writeContinue();
        body ??= readBody(request, { max: deps.settings().maxBody, timeout: limits.body, budget }).then((bytes) => {
          // It counts until it is answered: while a call waits for its server, it is there several times over.
          if (!response.closed) {
            held = bytes.length;
            budget.held += held;
          }
          return bytes;
        });
        return body;
      },
      get signal() {
        if (gone === undefined) {
          gone = new AbortController();
          if (response.closed && !response.writableFinished) gone.abort();
        }
        return gone.signal;
      },
      events: eventStream(response),
    });
  }

  function report(kind: EdgeEvent['kind'], error: unknown, remote = ''): void {
    const detail = error instanceof Error ? error.message : String(error);
    deps.report({ kind, detail, remote });
  }

  return {
    listen: (host, port, isShared = false) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host, reusePort: isShared }, () => {
          server.off('error', reject);
          const address = server.address();
          if (address === null || typeof address === 'string') reject(new Error('no port'));
          else resolve(address.port);
        });
      }),
    renew: (changed) => {
      const next = { ...identity, ...changed };
      context = secureContext(next);
      identity = next;
    },
    close: (grace = 5_000) =>
      new Promise((resolve) => {
        // The server itself does not know those that are still shaking hands.
        const timer = setTimeout(() => {
          for (const socket of connections) socket.destroy();
        }, grace);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
