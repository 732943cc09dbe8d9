import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { after, before, test } from 'node:test';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Agent, fetch as undiciFetch } from 'undici';
import type { Answer } from '../../src/contract/answer.ts';
import type { EdgeSettings } from '../../src/contract/bundle.ts';
import type { Attendance } from '../../src/contract/caller.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { type Arrived, Authenticated, type Framed } from '../../src/contract/tool-call.ts';
import { frame } from '../../src/gateway/protocol/frame.ts';
import { acceptedAnswer, refusalAnswer, resultAnswer } from '../../src/gateway/protocol/respond.ts';
import { Sessions } from '../../src/gateway/sessions/sessions.ts';
import { createEdge, type Edge } from '../../src/gateway/transport/edge.ts';
import { certificate } from '../edge/certificate.ts';
import { verifies } from '../support/verifies.ts';
import { alice, bob, count } from './support.ts';

const settings: EdgeSettings = {
  origin: 'https://localhost',
  serverNames: ['localhost'],
  allowedOrigins: [],
  unauthenticated: 421,
  maxBody: 64 * 1024,
};
const clock = {
  now: () => Date.now(),
  setTimer: (run: () => void, ms: number) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};
const users: ReadonlyMap<string | undefined, typeof alice> = new Map([
  ['Bearer alice', alice],
  ['Bearer bob', bob],
]);

let sessions: Sessions;
let edge: Edge;
let port: number;
let ca: string;
let agent: Agent;
/** The one event of each call of the tool `wait` on which its answer is held. */
let release: () => void = () => {};

before(async () => {
  sessions = new Sessions({ clock });
  const identity = await certificate('localhost');
  edge = createEdge({
    identity: { ...identity, serverNames: ['localhost'] },
    settings: () => settings,
    issuers: () => [],
    report: () => {},
    now: Date.now,
    handle,
  });
  port = await edge.listen('127.0.0.1', 0);
  ca = identity.cert;
  agent = new Agent({ connect: { ca } });
});
after(async () => {
  sessions.close();
  await agent.close();
  await edge.close(0);
});

/** The pipeline as far as sessions are concerned: all that is real here is the edge, the framing and the sessions. */
async function handle(arrived: Arrived): Promise<Answer> {
  let framed: Framed | undefined;
  try {
    const subject = users.get(arrived.headers.authorization);
    if (subject === undefined) throw new Refusal('unauthenticated', 'no good token');
    const call = new Authenticated(arrived, subject, Date.now() + 60_000);
    if (arrived.httpMethod === 'DELETE') sessions.end(call);
    if (arrived.httpMethod === 'GET') {
      if (arrived.transport === 'streamable') return await sessions.listen(call);
      await sessions.listenSse(call);
    }
    if (arrived.httpMethod !== 'POST') return acceptedAnswer();
    const messages = await frame(call, sessions.revisionOf(call));
    if (!('frame' in messages)) throw new Refusal('invalid-request', 'a batch');
    framed = messages;
    if (framed.frame.id === undefined || framed.frame.response) {
      sessions.receive(framed);
      return acceptedAnswer();
    }
    const attendance = sessions.attend(framed);
    const answer = await work(framed, attendance);
    attendance.answered(answer.body);
    return arrived.transport === 'sse' ? acceptedAnswer() : answer;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusalAnswer(error, arrived, settings, framed?.frame);
  }
}

async function work(call: Framed, { caller }: Attendance): Promise<Answer> {
  const { method, params, revision } = call.frame;
  if (method === 'initialize') {
    const result = { protocolVersion: revision, capabilities: { tools: { listChanged: true } }, serverInfo: INFO };
    const answer = resultAnswer(call.frame, JSON.stringify(result));
    if (call.arrived.transport === 'sse') return answer;
    return { ...answer, headers: { ...answer.headers, 'mcp-session-id': sessions.open(call) } };
  }
  if (params?.name === 'ask') {
    const said = { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
    const answer = await caller.ask?.({ method: 'elicitation/create', params: JSON.stringify(said) });
    return resultAnswer(call.frame, JSON.stringify({ content: [{ type: 'text', text: answer?.raw }] }));
  }
  caller.notify(progress(1));
  await new Promise<void>((resolve) => {
    release = resolve;
  });
  caller.notify(progress(2));
  return resultAnswer(call.frame, '{"content":[{"type":"text","text":"done"}]}');
}

const INFO = { name: 'bench', version: '1' };

function progress(at: number): string {
  return `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":${at}}}`;
}

function fetchAs(user: string) {
  const trusting = (url: unknown, init: unknown) => {
    const headers = new Headers((init as RequestInit | undefined)?.headers);
    headers.set('authorization', `Bearer ${user}`);
    const options = { ...(init as object), headers: [...headers], dispatcher: agent };
    return undiciFetch(String(url), options as Parameters<typeof undiciFetch>[1]);
  };
  return trusting as unknown as typeof fetch;
}

function streamable(): Transport {
  return new LegacyTransport(new URL(`https://localhost:${port}/mcp`), { fetch: fetchAs('alice') }) as Transport;
}

function sse(): Transport {
  const url = new URL(`https://localhost:${port}/mcp/files/sse`);
  return new SSEClientTransport(url, { fetch: fetchAs('alice') }) as Transport;
}

for (const [name, transport] of [
  ['streamable HTTP', streamable],
  ['HTTP+SSE', sse],
] as const) {
  test(`the stock client is asked in mid-call and told of news over ${name}`, async () => {
    const client = new LegacyClient({ name: 'stock', version: '1' }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    const changed = new Promise<void>((resolve) => {
      client.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve());
    });
    await client.connect(transport());
    const { content } = await client.callTool({ name: 'ask' });
    assert.deepEqual(content, [{ type: 'text', text: '{"action":"accept","content":{"name":"Ada"}}' }]);
    sessions.each(({ notify }) => notify('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'));
    await changed;
    await client.close();
  });
}

interface Reading {
  readonly status: number;
  readonly session: string | undefined;
  /** The `id` and `data` of each event that has come. */
  readonly events: readonly (readonly [string, string])[];
  /** Resolves when so many events have come. */
  until(count: number): Promise<void>;
  readonly ended: Promise<unknown>;
  cut(): void;
}

/** One request on a connection of its own, read as a stream. */
async function open(user: string, method: string, headers: Record<string, string>, body = ''): Promise<Reading> {
  const sent = httpsRequest({
    host: '127.0.0.1',
    port,
    ca,
    servername: 'localhost',
    method,
    path: '/mcp',
    agent: false,
    headers: {
      host: 'localhost',
      authorization: `Bearer ${user}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': '2025-11-25',
      ...headers,
    },
  });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  let text = '';
  const waiting = new Set<() => void>();
  const events = () =>
    text
      .split('\n\n')
      .slice(0, -1)
      .map((event) => [/^id: (.*)$/m.exec(event)?.[1] ?? '', /^data: (.*)$/m.exec(event)?.[1] ?? ''] as const);
  answer.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    for (const look of waiting) look();
  });
  answer.on('error', () => {});
  return {
    status: answer.statusCode ?? 0,
    session: answer.headers['mcp-session-id'],
    get events() {
      return events();
    },
    until: (wanted) =>
      new Promise((resolve) => {
        const look = () => events().length >= wanted && resolve();
        waiting.add(look);
        look();
      }),
    ended: new Promise((resolve) => answer.once('close', resolve)),
    cut: () => sent.destroy(),
  };
}

const HELLO = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: INFO },
};
const WAIT = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wait' } };

test('a broken stream is taken up over a new connection by whom it belongs to, and by nobody else (A6)', async () => {
  verifies('authn.edge');
  const { session = '' } = await open('alice', 'POST', {}, JSON.stringify(HELLO));
  const { session: bobs = '' } = await open('bob', 'POST', {}, JSON.stringify(HELLO));
  const post = await open('alice', 'POST', { 'mcp-session-id': session }, JSON.stringify(WAIT));
  await post.until(2);
  const [primer = ['', '']] = post.events;
  assert.deepEqual(
    post.events.map(([, data]) => data),
    ['', progress(1)],
  );
  post.cut();

  const lastEventId = { 'last-event-id': primer[0] };
  for (const [user, headers, status] of [
    ['bob', { 'mcp-session-id': session, ...lastEventId }, 404],
    ['bob', { 'mcp-session-id': bobs, ...lastEventId }, 400],
    ['alice', { 'mcp-session-id': bobs, ...lastEventId }, 404],
    ['alice', { ...lastEventId }, 405],
    ['mallory', { 'mcp-session-id': session, ...lastEventId }, 421],
  ] as const) {
    const refused = await open(user, 'GET', headers);
    await refused.ended;
    assert.deepEqual([refused.status, refused.events], [status, []]);
  }

  const back = await open('alice', 'GET', { 'mcp-session-id': session, ...lastEventId });
  await back.until(2);
  release();
  await back.ended;
  const answer = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}';
  assert.deepEqual(
    back.events.map(([, data]) => data),
    ['', progress(1), progress(2), answer],
  );
  const [lastId] = back.events.at(-1) ?? [''];
  const again = await open('alice', 'GET', { 'mcp-session-id': session, 'last-event-id': lastId });
  assert.equal(again.status, 204);
});

test('an ended session is 404, and its streams are closed', async () => {
  verifies('authn.edge');
  const before = count(sessions);
  const { session = '' } = await open('alice', 'POST', {}, JSON.stringify(HELLO));
  const headers = { 'mcp-session-id': session };
  const get = await open('alice', 'GET', headers);
  assert.equal((await open('alice', 'GET', headers)).status, 409);
  assert.equal((await open('bob', 'DELETE', headers)).status, 404);
  assert.equal((await open('alice', 'DELETE', headers)).status, 202);
  await get.ended;
  for (const method of ['POST', 'GET', 'DELETE']) {
    assert.equal((await open('alice', method, headers, method === 'POST' ? JSON.stringify(WAIT) : '')).status, 404);
  }
  assert.equal(count(sessions), before);
});
