import { Agent, request } from 'undici';
import { UsageError } from './options.ts';

export interface Gateway {
  /** The MCP URL. */
  readonly url: string;
  /** PEM of the authority that signed the edge's certificate. */
  readonly ca: string;
  /** A token that is good for some minutes yet. */
  token(): Promise<string>;
}

interface Message {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly uri?: string;
    readonly _meta?: Readonly<Record<string, unknown>>;
  };
}

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
/** How much of an unfinished line is held. */
const MAX_LINE = 4 * 1024 * 1024;

/**
 * The stdio side of the gateway, for clients that speak stdio only or cannot be given a CA: each line that comes in is
 * posted, each answer goes out as a line (MCP 2025-11-25 and 2026-07-28, transports). Ends when the input does.
 */
export async function connect(
  input: AsyncIterable<string>,
  write: (line: string) => void,
  complain: (text: string) => void,
  gateway: Gateway,
): Promise<void> {
  const agent = new Agent({ connect: { ca: gateway.ca }, headersTimeout: 0, bodyTimeout: 0 });
  const under = new Set<Promise<void>>();
  let revision: string | undefined;
  try {
    for await (const line of lines(input)) {
      const message = parse(line, complain);
      if (message === undefined) continue;
      const posted = post(agent, gateway, line, message, revision).then(
        (answer) => {
          if (answer === undefined) return;
          revision ??= negotiated(message, answer);
          write(`${answer}\n`);
        },
        (error: unknown) => {
          complain(String(error));
          if (message.id !== undefined) write(`${failure(message.id, 'The gateway could not be reached')}\n`);
        },
      );
      under.add(posted);
      void posted.finally(() => under.delete(posted));
      // What follows initialize needs the revision that its answer names.
      if (message.method === 'initialize') await posted;
    }
    await Promise.all(under);
  } finally {
    await agent.close();
  }
}

async function post(
  agent: Agent,
  gateway: Gateway,
  line: string,
  message: Message,
  revision: string | undefined,
): Promise<string | undefined> {
  const answer = await request(gateway.url, {
    dispatcher: agent,
    method: 'POST',
    headers: { ...(await headersFor(gateway, message, revision)) },
    body: line,
  });
  const text = (await answer.body.text()).trim();
  if (message.id === undefined || text === '') return undefined;
  if (text.startsWith('{')) return text;
  return failure(message.id, `The gateway answered ${answer.statusCode}`);
}

async function headersFor(gateway: Gateway, message: Message, revision: string | undefined) {
  const modern = message.params?._meta?.[VERSION_KEY];
  const version = typeof modern === 'string' ? modern : revision;
  const name = message.params?.name ?? message.params?.uri;
  return {
    authorization: `Bearer ${await gateway.token()}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(version !== undefined && { 'mcp-protocol-version': version }),
    ...(modern !== undefined && message.method !== undefined && { 'mcp-method': message.method }),
    ...(modern !== undefined && typeof name === 'string' && { 'mcp-name': headerValue(name) }),
  };
}

/** MCP 2026-07-28, transports: what a header cannot carry as it is goes as `=?base64?…?=`. */
function headerValue(text: string): string {
  const plain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

function negotiated(message: Message, answer: string): string | undefined {
  if (message.method !== 'initialize') return undefined;
  return (JSON.parse(answer) as { result?: { protocolVersion?: string } }).result?.protocolVersion;
}

function parse(line: string, complain: (text: string) => void): Message | undefined {
  try {
    return JSON.parse(line) as Message;
  } catch {
    complain('a line that is not JSON was dropped');
    return undefined;
  }
}

function failure(id: Message['id'], message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code: 1500, message } });
}

async function* lines(input: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of input) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > MAX_LINE) throw new UsageError('a line of more than 4 MiB');
    for (const part of parts) if (part.trim() !== '') yield part;
  }
  if (rest.trim() !== '') yield rest;
}
