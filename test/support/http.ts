import { type Agent, request } from 'node:https';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks into is its own business
  readonly json: any;
}

/**
 * TLS handshakes at a time: of hundreds that begin at once the last would come to an end, on a busy machine, after the time
 * that the edge gives to each.
 */
const HANDSHAKES = 16;
const waiting: (() => void)[] = [];
let shaking = 0;

/** Resolves when one more may begin, with what is called at its end. */
async function handshake(): Promise<() => void> {
  if (shaking < HANDSHAKES) shaking++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    const next = waiting.shift();
    if (next === undefined) shaking--;
    else next();
  };
}

/** One POST to the edge, over its own TLS: in a connection of its own, or in one of the agent's. */
export async function post(
  product: { readonly ready: { readonly mcp: string }; readonly ca: string },
  body: string | Uint8Array,
  options: {
    readonly token?: string | undefined;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly agent?: Agent;
  },
): Promise<Reply> {
  const url = new URL(options.path ?? '/mcp', product.ready.mcp);
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
    ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
    ...options.headers,
  };
  const { agent = false } = options;
  const isShaken = await handshake();
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', ca: product.ca, headers, agent }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => {
        const json = text.startsWith('{') ? JSON.parse(text) : undefined;
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json });
      });
    });
    sent.on('socket', (socket) => {
      if (socket.connecting) socket.once('secureConnect', isShaken);
      else isShaken();
    });
    sent.on('close', isShaken);
    sent.on('error', reject);
    sent.end(body);
  });
}

/** `tools/call` as raw text, so that arguments can be what no serialiser would write. */
export function callText(tool: string, args: string, id: number | string = 1): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":{"name":${JSON.stringify(tool)},"arguments":${args}}}`;
}
