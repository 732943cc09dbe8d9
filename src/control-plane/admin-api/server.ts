import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import type { Json } from '../../contract/json.ts';
import { MalformedJson, parseStrict } from '../../contract/strict-json.ts';
import { announce, makeAdminSecret, sameSecret, withdraw } from './presence.ts';

/** Bytes of one request body. */
const MAX_BODY = 64 * 1024;

export interface AdminRequest {
  readonly query: URLSearchParams;
  /** The body as strict JSON; undefined: there was none. */
  readonly body: Json | undefined;
}

export interface AdminAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

interface AdminRoute {
  /** Served without the admin secret: nothing that such a route says may be of use to a stranger. */
  readonly open?: true;
  readonly handle: (request: AdminRequest) => AdminAnswer | Promise<AdminAnswer>;
}

/** Keyed by method and path, e.g. `POST /admin/token`; no parameters in paths. */
export type AdminRoutes = Readonly<Record<string, AdminRoute>>;

/** The request was refused; the message goes to the caller, who is the operator. */
export class AdminError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function answerJson(value: unknown, status = 200): AdminAnswer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

export interface AdminApi {
  readonly url: string;
  readonly secret: string;
  /** Stops listening and takes the announcement back. */
  close(): Promise<void>;
}

/**
 * The second listener: for the operator, loopback unless told otherwise. A secret as bearer token, no CORS, and Host
 * and Origin are checked, so that a page in the operator's browser cannot reach it by DNS rebinding.
 * @throws StateError, or the listener's own error
 */
export async function openAdminApi(options: {
  readonly stateDir: string;
  readonly host?: string;
  readonly port: number;
  readonly announce: { readonly mcp: string; readonly issuer: string; readonly ca: string };
  readonly routes: AdminRoutes;
  /** For faults of our own. */
  readonly fault: (error: unknown) => void;
}): Promise<AdminApi> {
  const { stateDir, host = '127.0.0.1', routes, fault } = options;
  const secret = makeAdminSecret();
  let hosts: ReadonlySet<string> = new Set();
  const server = createServer(
    { headersTimeout: 5000, requestTimeout: 10_000, maxHeaderSize: 8192 },
    (request, response) => {
      serve(request, routes, secret, hosts).then(
        (answer) => reply(response, answer),
        (error: unknown) => {
          if (!(error instanceof AdminError)) fault(error);
          const [status, message] =
            error instanceof AdminError ? [error.status, error.message] : [500, 'internal error'];
          reply(response, answerJson({ error: message }, status));
        },
      );
    },
  );
  server.maxConnections = 64;
  const port = await listen(server, host, options.port);
  const named = isIPv6(host) ? `[${host}]` : host;
  hosts = new Set([named, '127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`));
  const url = `http://${named}:${port}`;
  announce(stateDir, { url, pid: process.pid, ...options.announce }, secret);
  return {
    url,
    secret,
    async close() {
      withdraw(stateDir, process.pid);
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function serve(
  request: IncomingMessage,
  routes: AdminRoutes,
  secret: string,
  hosts: ReadonlySet<string>,
): Promise<AdminAnswer> {
  const { host, origin, authorization } = request.headers;
  if (host === undefined || !hosts.has(host)) throw new AdminError(403, 'unknown host');
  if (origin !== undefined && !hosts.has(origin.replace(/^http:\/\//, ''))) throw new AdminError(403, 'foreign origin');
  const target = new URL(`http://admin${request.url?.startsWith('/') ? request.url : '/'}`);
  const name = `${request.method} ${target.pathname}`;
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  // A stranger learns no more of the closed routes than of those that do not exist.
  if (!route?.open && !sameSecret(authorization ?? '', `Bearer ${secret}`))
    throw new AdminError(401, 'admin secret required');
  if (!route) throw new AdminError(404, 'no such route');
  return route.handle({ query: target.searchParams, body: await readBody(request) });
}

async function readBody(request: IncomingMessage): Promise<Json | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY) throw new AdminError(413, `body larger than ${MAX_BODY} bytes`);
    parts.push(part);
  }
  if (size === 0) return undefined;
  if (request.headers['content-type'] !== 'application/json') throw new AdminError(415, 'application/json only');
  try {
    return parseStrict(Buffer.concat(parts)).value;
  } catch (error) {
    throw new AdminError(400, error instanceof MalformedJson ? error.message : 'not JSON');
  }
}

function reply(response: ServerResponse, { status, type, body }: AdminAnswer): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    ...(status === 413 ? { connection: 'close' } : {}),
  });
  response.end(body);
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((listening, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      listening(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
