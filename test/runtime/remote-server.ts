import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { RemoteServer } from '../../src/contract/bundle.ts';
import type { UpstreamCall } from '../../src/contract/upstream.ts';
import { authorityCertificate, leafCertificate } from '../../src/control-plane/pki/certificates.ts';
import { remoteUpstream } from '../../src/runtime/upstream/http.ts';
import type { Upstream } from '../../src/runtime/upstream/upstream.ts';
import { aCall } from './support.ts';

export interface Heard {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly message: {
    readonly id?: number;
    readonly method?: string;
    readonly params?: Record<string, unknown>;
    readonly result?: unknown;
    readonly error?: unknown;
  };
}

/** Answers one JSON-RPC request; what it does not answer itself, the well-mannered `polite` does. */
export type Manners = (heard: Heard, response: ServerResponse) => boolean;

/** What a client of ours says is JSON; what a hostile gateway has it say need not be. */
function read(body: Buffer) {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** A remote MCP server on loopback, with everything it heard. Over TLS when `tls` is given. */
export async function remoteServer(t: TestContext, manners: Manners, tls?: ServerOptions) {
  const heard: Heard[] = [];
  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const message = chunks.length > 0 ? read(Buffer.concat(chunks)) : {};
    if (message === undefined) return void response.writeHead(400).end();
    const one = { method: request.method ?? '', headers: request.headers, message };
    heard.push(one);
    if (!manners(one, response)) polite(one, response);
  };
  const ca = tls ? await authority() : undefined;
  const server = ca ? createTlsServer({ ...ca.leaf, ...tls }, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const settings: RemoteServer = {
    kind: 'remote',
    name: 'crm',
    url: ca ? `https://localhost:${port}/mcp` : `http://127.0.0.1:${port}/mcp?v=1`,
    ...(ca ? { ca: ca.pem } : {}),
    deadline: 60_000,
    maxResult: 100_000,
  };
  return { settings, heard, asked: (method: string) => heard.filter((one) => one.message.method === method) };
}

const EMPTY = new Set(['logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']);
/** What a server of the older era says to whoever does not begin with `initialize`. */
const NO_SESSION = { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request: not initialized' } };

export const json = (
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
  status = 200,
): true => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  return true;
};

export const textResult = (id: number | undefined, text: string) => ({
  jsonrpc: '2.0',
  id,
  result: { content: [{ type: 'text', text }] },
});

function polite({ method, message: { id, method: asked, params } }: Heard, response: ServerResponse): void {
  const capabilities = { tools: {} };
  const serverInfo = { name: 'crm', version: '1' };
  if (method === 'GET') response.writeHead(405).end();
  else if (method === 'DELETE' || id === undefined || asked === undefined) response.writeHead(202).end();
  else if (asked === 'server/discover') json(response, NO_SESSION, {}, 400);
  else if (asked === 'initialize')
    json(response, { jsonrpc: '2.0', id, result: { protocolVersion: '2025-11-25', capabilities, serverInfo } });
  else if (asked === 'tools/list') json(response, { jsonrpc: '2.0', id, result: { tools: [{ name: 'echo' }] } });
  else if (EMPTY.has(asked)) json(response, { jsonrpc: '2.0', id, result: {} });
  else json(response, textResult(id, (params as { arguments: { echo: string } }).arguments.echo));
}

async function authority() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { key, cert } = await leafCertificate(privateKey, ['localhost'], Date.now());
  return { pem: await authorityCertificate(privateKey, Date.now()), leaf: { key, cert } };
}

/** The same server as the gateway speaks to it. */
export function upstreamOf(
  t: TestContext,
  settings: RemoteServer,
  { now = Date.now, ...changed }: Partial<RemoteServer> & { now?: () => number } = {},
): Upstream {
  const upstream = remoteUpstream({ ...settings, ...changed }, now);
  t.after(() => upstream.close());
  return upstream;
}

/** A call of `echo` by a client that can be asked nothing, unless it is said otherwise. */
export function callOf({ echo = '', ...more }: Partial<UpstreamCall> & { echo?: string } = {}): UpstreamCall {
  return aCall({ params: Buffer.from(JSON.stringify({ name: 'echo', arguments: { echo } })), ...more });
}

/** An event stream as the answer. */
export function events(response: ServerResponse): {
  send(message: object, more?: { id?: string; retry?: number }): void;
  raw(text: string): void;
  end(): true;
} {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  const raw = (text: string): void => void response.write(text);
  return {
    raw,
    send: (message, { id, retry } = {}) =>
      raw(
        `${id === undefined ? '' : `id: ${id}\n`}${retry === undefined ? '' : `retry: ${retry}\n`}data: ${JSON.stringify(message)}\n\n`,
      ),
    end: () => !!response.end(),
  };
}

/** Manners of a server that keeps sessions, one after another named `session-1`, `session-2`, …; the rest as given. */
export function keepingSessions(manners: Manners, capabilities: object = { tools: {} }): Manners {
  let sessions = 0;
  return (heard, response) => {
    const { id, method } = heard.message;
    if (method !== 'initialize') return manners(heard, response);
    const result = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'crm', version: '1' } };
    return json(response, { jsonrpc: '2.0', id, result }, { 'mcp-session-id': `session-${++sessions}` });
  };
}

/** Manners of a server of 2026-07-28; `initialize` is unknown to it. */
export function modern(manners: Manners, capabilities: object = { tools: {} }): Manners {
  return (heard, response) => {
    const { id, method } = heard.message;
    const unknown = { code: -32601, message: 'Method not found' };
    if (method === 'initialize') return json(response, { jsonrpc: '2.0', id, error: unknown }, {}, 404);
    if (method !== 'server/discover') return manners(heard, response);
    const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities };
    return json(response, { jsonrpc: '2.0', id, result });
  };
}
