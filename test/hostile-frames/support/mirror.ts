import { createServer, type Socket } from 'node:net';
import { callText } from '../../support/http.ts';

export const POLICY =
  'permit (principal in Tenant::"acme", action in [Action::"mirror/echo", Action::"mirror/say"], resource == Tenant::"acme");\n';

/** A call of the mirror that has its `value` for an answer. */
export const echo = (value: string, id: number): string =>
  callText('mirror__echo', `{"value":${JSON.stringify(value)}}`, id);

/** What the upstream answers to a call of `say`; gets the request's id as raw JSON. Null: it hangs up. */
export type Saying = (id: string) => Uint8Array | string | null;

interface Call {
  readonly id: number;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: { readonly value?: unknown; readonly which?: string };
  };
}

/** A remote MCP server that writes its HTTP by hand, so that a call can be answered with any bytes at all. */
export async function openMirror() {
  const sayings = new Map<string, Saying>();
  /** Every `value` that reached `echo`. */
  const echoed = new Set<string>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    requests(socket, (call) => {
      const saying = call.method === 'tools/call' ? sayings.get(call.params?.arguments?.which ?? '') : undefined;
      if (saying === undefined) socket.write(polite(call, echoed));
      else {
        const said = saying(String(call.id));
        // What follows its answer would be the next call's trouble: this upstream means one at a time.
        if (said === null) socket.destroy();
        else socket.end(typeof said === 'string' ? Buffer.from(said, 'latin1') : said);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${address.port}/mcp`, sayings, echoed, close };
}

export type Mirror = Awaited<ReturnType<typeof openMirror>>;

/** One HTTP response with a length, after which the mirror hangs up and says so: no other call is to be sent there. */
export function http(body: Uint8Array | string, type = 'application/json', status = '200 OK'): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([
    Buffer.from(
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${bytes.length}\r\nConnection: close\r\n\r\n`,
    ),
    bytes,
  ]);
}

/** Bytes between two texts. */
export function around(before: string, middle: Uint8Array, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), middle, Buffer.from(after)]);
}

function polite({ id, method, params }: Call, echoed: Set<string>): Buffer {
  if (id === undefined) return http('', 'application/json', '202 Accepted');
  const value = params?.arguments?.value;
  if (method === 'tools/call') echoed.add(JSON.stringify(value));
  const results: Readonly<Record<string, unknown>> = {
    initialize: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'mirror', version: '1' },
    },
    'tools/list': {
      tools: [
        { name: 'echo', inputSchema: { type: 'object', properties: { value: {} }, required: ['value'] } },
        {
          name: 'say',
          inputSchema: { type: 'object', properties: { which: { type: 'string' } }, required: ['which'] },
        },
      ],
    },
    'tools/call': { content: [], structuredContent: { value } },
  };
  const result = results[method];
  const answer = result === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result };
  return http(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
}

/** The gateway frames what it sends by its length. */
function requests(socket: Socket, receive: (call: Call) => void): void {
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = bytes.subarray(0, end).toString('latin1');
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      const start = end + 4;
      if (bytes.length < start + length) return;
      const body = bytes.subarray(start, start + length).toString('utf8');
      bytes = bytes.subarray(start + length);
      receive(body === '' ? ({ method: '' } as Call) : JSON.parse(body));
    }
  });
}
