import { request } from 'node:https';
import type { EdgeSettings, GatewayServer } from '../../src/contract/bundle.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { Authenticated, type Framed, type Known, type Subject } from '../../src/contract/tool-call.ts';
import { createCatalogue } from '../../src/gateway/descriptors/catalogue.ts';
import { identifyStage } from '../../src/gateway/descriptors/identify.ts';
import { lists } from '../../src/gateway/descriptors/lists.ts';
import { outbound } from '../../src/gateway/descriptors/outbound.ts';
import { createVisibility } from '../../src/gateway/descriptors/visibility.ts';
import { frame } from '../../src/gateway/protocol/frame.ts';
import { decodeHeader } from '../../src/gateway/protocol/headers.ts';
import { lifecycle } from '../../src/gateway/protocol/lifecycle.ts';
import { answeredBy } from '../../src/gateway/protocol/methods.ts';
import { acceptedAnswer, refusalAnswer, resultAnswer } from '../../src/gateway/protocol/respond.ts';
import { createEdge, type EdgeDeps } from '../../src/gateway/transport/edge.ts';
import { guard } from '../../src/gateway/transport/guard.ts';
import { certificate } from './certificate.ts';

export const alice: Subject = {
  id: 'alice',
  kind: 'User',
  tenant: 'acme',
  groups: [],
  acr: undefined,
  authTime: undefined,
  key: 'alice',
  tokenId: undefined,
};

/** Raw descriptors with spellings that a parse and re-emit would lose. */
export function server(
  name: string,
  tools: readonly string[],
  more: Partial<GatewayServer['pins']> = {},
): GatewayServer {
  return {
    pins: {
      name,
      protocolVersion: '2025-11-25',
      capabilities: { tools: {}, prompts: {}, resources: { subscribe: true }, completions: {}, logging: {} },
      serverInfo: { name: `${name}-server`, version: '1.2.3' },
      instructions: `How to use ${name}.`,
      tools: tools.map((tool) => {
        const raw = `{ "inputSchema":{"type":"object","properties":{"name":{"type":"string"}}}, "name" : ${JSON.stringify(tool)},\t"x-\\u00fcnknown":1.0e0}`;
        return { name: tool, raw, digest: '' };
      }),
      prompts: [{ name: 'greet', raw: '{"name":"greet","arguments":[{"name":"who"}]}', digest: '' }],
      resourceTemplates: [{ name: 'note', raw: '{"name":"note","uriTemplate":"note:///{id}"}', digest: '' }],
      ...more,
    },
    tools: {},
    deadline: 1000,
    maxResult: 1 << 20,
  };
}

export interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface Wish {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  readonly token?: string | undefined;
  readonly servername?: string;
}

export interface BenchOptions {
  readonly servers?: readonly GatewayServer[];
  readonly hidden?: (action: string) => boolean;
  readonly settings?: Partial<EdgeSettings>;
  readonly limits?: EdgeDeps['limits'];
  readonly issuer?: EdgeDeps['issuer'];
  /** What the upstream answers; by default the params that reach it. */
  readonly execute?: (call: Known) => string;
}

/** The edge with every stage of ours, on a real socket; only authentication and execution are stand-ins. */
export async function openBench(options: BenchOptions = {}) {
  const identity = await certificate('localhost', 'keep.test');
  const events: Parameters<EdgeDeps['report']>[0][] = [];
  const refusals: Refusal[] = [];
  const calls: Known[] = [];
  let settings: EdgeSettings = {
    origin: 'https://localhost:0',
    serverNames: ['localhost', 'keep.test'],
    allowedOrigins: ['https://app.example'],
    unauthenticated: 421,
    maxBody: 64 * 1024,
    ...options.settings,
  };
  const visible = (_: Subject, action: string) => !(options.hidden ?? (() => false))(action);
  const catalogue = createCatalogue(options.servers ?? [server('files', ['read', 'write']), server('notes', ['read'])]);
  const visibility = createVisibility(catalogue, visible);
  const list = lists({ catalogue, visibility, visible });
  const live = lifecycle({ version: '9.9.9', servers: visibility.servers });
  const identify = identifyStage({ catalogue, visibility, visible, decodeHeader });

  const answer = async (framed: Framed): Promise<string> => {
    if (answeredBy(framed.frame) === 'lifecycle') return live(framed);
    const listed = await list(framed);
    if (listed !== undefined) return listed;
    const known = await identify(framed);
    calls.push(known);
    const raw = options.execute?.(known) ?? `{"echo":${known.target.paramsRaw}}`;
    return outbound(known.target, known.arrived.server === undefined, framed.frame.modern, raw);
  };

  const edge = createEdge({
    identity: { ...identity, serverNames: settings.serverNames },
    settings: () => settings,
    issuers: () => ['https://idp.example'],
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    report: (event) => events.push(event),
    now: () => 0,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    handle: async (arrived) => {
      let framed: Framed | undefined;
      try {
        if (arrived.headers.authorization !== 'Bearer good') throw new Refusal('unauthenticated', 'no good token');
        const call = new Authenticated(arrived, alice, 0);
        guard(call, settings);
        if (arrived.httpMethod !== 'POST') throw new Refusal('http-method', 'nothing to stream here');
        const read = await frame(call, undefined);
        if (!('frame' in read)) throw new Refusal('invalid-request', 'a batch');
        framed = read;
        if (framed.frame.id === undefined || framed.frame.response) return acceptedAnswer();
        await visibility.admit(framed);
        return resultAnswer(framed.frame, await answer(framed));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refusals.push(error);
        return refusalAnswer(error, arrived, settings, framed?.frame);
      }
    },
  });
  const port = await edge.listen('127.0.0.1', 0);
  settings = { ...settings, origin: `https://localhost:${port}` };

  const send = (wish: Wish = {}): Promise<Response> =>
    new Promise((resolve, reject) => {
      const token = 'token' in wish ? wish.token : 'good';
      const sent = request({
        host: '127.0.0.1',
        port,
        ca: identity.cert,
        servername: wish.servername ?? 'localhost',
        method: wish.method ?? 'POST',
        path: wish.path ?? '/mcp',
        agent: false,
        headers: {
          host: `localhost:${port}`,
          accept: 'application/json, text/event-stream',
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...wish.headers,
        },
      });
      sent.on('error', reject);
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
      sent.end(wish.body);
    });

  const rpc = (method: string, params?: object, wish: Wish = {}) =>
    send({ ...wish, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });

  return { port, identity, events, refusals, calls, send, rpc, edge, close: () => edge.close(0) };
}

export type Bench = Awaited<ReturnType<typeof openBench>>;

/** A request of 2026-07-28 with its envelope and mirrored headers. */
export function modern(
  bench: Bench,
  method: string,
  params: Record<string, unknown> = {},
  headers: Record<string, string> = {},
  path = '/mcp',
) {
  const name = params.name ?? params.uri;
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    ...(typeof params._meta === 'object' ? params._meta : {}),
  };
  return bench.rpc(
    method,
    { ...params, _meta },
    {
      path,
      headers: {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(typeof name === 'string' && method !== 'completion/complete' ? { 'mcp-name': name } : {}),
        ...headers,
      },
    },
  );
}
