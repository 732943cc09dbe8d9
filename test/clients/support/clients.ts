import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as Http1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Agent, fetch as undiciFetch } from 'undici';
import { home } from '../../support/tree.ts';

/** Where a client goes: an address, or a command that speaks stdio. */
export type Way =
  | { readonly url: string; readonly ca?: string; readonly token?: string; readonly sse?: boolean }
  | { readonly command: readonly string[]; readonly cwd?: string };

export interface Form {
  readonly action: 'accept' | 'decline';
  readonly content?: Readonly<Record<string, unknown>>;
}

export const ACCEPT: Form = { action: 'accept', content: { approve: true, note: 'go' } };
export const DECLINE: Form = { action: 'decline' };

/** The person, the model and the machine behind a client. */
export interface Behind {
  /** What the person answers to a form. */
  form: Form;
  readonly asked: string[];
  /** The progress that reached the client. (Its own callback misses what arrives together with the answer.) */
  readonly progress: number[];
  /** Called at each `tools/list_changed`. */
  changed: () => void;
}

export const behind = (): Behind => ({ form: ACCEPT, asked: [], progress: [], changed: () => undefined });

export interface Result {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly isError?: boolean;
}

/** What the tests use of a stock client, whichever it is. */
export interface Stock {
  readonly revision: string | undefined;
  tools(): Promise<readonly string[]>;
  call(name: string, args: object): Promise<Result>;
  close(): Promise<void>;
}

export type Kind = 'client 2.x legacy' | 'client 2.x auto' | 'client 2.x modern' | 'SDK 1.32';
export const kinds: readonly Kind[] = ['client 2.x legacy', 'client 2.x auto', 'client 2.x modern', 'SDK 1.32'];

const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
const info = { name: 'stock', version: '1' };
const said = { role: 'assistant', content: { type: 'text', text: 'in short: yes' }, model: 'none' } as const;
const roots = [{ uri: 'file:///projects/alice', name: 'project' }];

export function open(kind: Kind, way: Way, who: Behind): Promise<Stock> {
  return kind === 'SDK 1.32' ? openSdk1(way, who) : openClient2(kind, way, who);
}

async function openClient2(kind: Kind, way: Way, who: Behind): Promise<Stock> {
  const mode = { 'client 2.x legacy': 'legacy', 'client 2.x auto': 'auto' }[kind as string] ?? { pin: '2026-07-28' };
  const client = new Client(info, {
    capabilities,
    versionNegotiation: { mode: mode as 'legacy' },
    listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => who.changed() } },
  });
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    who.asked.push(params.message);
    return who.form as { action: 'accept' };
  });
  client.setRequestHandler('sampling/createMessage', async ({ params }) => {
    who.asked.push(JSON.stringify(params.messages[0]?.content));
    return said;
  });
  client.setRequestHandler('roots/list', async () => ({ roots }));
  const { transport, done } = client2Transport(way);
  await client.connect(transport);
  tap(transport, who);
  return {
    revision: client.getNegotiatedProtocolVersion(),
    tools: async () => (await client.listTools(undefined, { cacheMode: 'refresh' })).tools.map(({ name }) => name),
    call: (name, args) =>
      client.callTool(
        { name, arguments: args as Record<string, unknown> },
        { onprogress: () => undefined },
      ) as Promise<Result>,
    close: async () => {
      await client.close();
      await done();
    },
  };
}

function tap(transport: object, who: Behind): void {
  const tapped = transport as { onmessage?: (message: unknown, extra?: unknown) => void };
  const inner = tapped.onmessage;
  tapped.onmessage = (message, extra) => {
    const { method, params } = message as { method?: string; params?: { progress: number } };
    if (method === 'notifications/progress' && params !== undefined) who.progress.push(params.progress);
    inner?.(message, extra);
  };
}

function client2Transport(way: Way) {
  if ('command' in way) {
    const [command = '', ...args] = way.command;
    const transport = new StdioClientTransport({ command, args, stderr: 'inherit', ...(way.cwd && { cwd: way.cwd }) });
    return { transport, done: async () => undefined };
  }
  const { options, done } = httpOptions(way);
  return { transport: new StreamableHTTPClientTransport(new URL(way.url), options), done };
}

async function openSdk1(way: Way, who: Behind): Promise<Stock> {
  const client = new Client1(info, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
    who.asked.push(params.message);
    return who.form as { action: 'accept' };
  });
  client.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => {
    who.asked.push(JSON.stringify(params.messages[0]?.content));
    return said;
  });
  client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots }));
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => who.changed());
  const { transport, done } = sdk1Transport(way);
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  tap(transport, who);
  const { protocolVersion } = transport as { protocolVersion?: string };
  return {
    revision: protocolVersion,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args) =>
      client.callTool({ name, arguments: args as Record<string, unknown> }, undefined, {
        onprogress: () => undefined,
      }) as Promise<Result>,
    close: async () => {
      await client.close();
      await done();
    },
  };
}

function sdk1Transport(way: Way) {
  if ('command' in way) {
    const [command = '', ...args] = way.command;
    const transport = new Stdio1({ command, args, stderr: 'inherit', ...(way.cwd && { cwd: way.cwd }) });
    return { transport, done: async () => undefined };
  }
  const { options, done } = httpOptions(way);
  const Transport = way.sse ? SSEClientTransport : Http1;
  return { transport: new Transport(new URL(way.url), options), done };
}

function httpOptions({ ca, token }: { readonly ca?: string; readonly token?: string }) {
  const agent = new Agent({ ...(ca && { connect: { ca } }) });
  const trusting = (url: unknown, init: unknown) =>
    undiciFetch(String(url), { ...(init as object), dispatcher: agent } as Parameters<typeof undiciFetch>[1]);
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    options: { fetch: trusting as unknown as typeof fetch, requestInit: { headers } },
    done: () => agent.destroy(),
  };
}

export const serverFile = (name: string): string => join(home, 'test/clients/servers', name);
