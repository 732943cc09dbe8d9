import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** One `tools/call`, and the ways to answer it. */
export interface ToolCall {
  readonly args: Readonly<Record<string, unknown>>;
  /** The whole message, as it came. */
  readonly body: string;
  readonly response: ServerResponse;
  /** @param message `result` or `error` */
  say(message: object): void;
}

/** A remote MCP server (2025-11-25, without sessions) that lists these tools, and leaves each call to `call`. */
export class ToolServer {
  readonly #server;

  /** @param other is shown each request first; true: it has answered it */
  constructor(
    tools: readonly object[],
    call: (call: ToolCall) => void,
    other: (request: IncomingMessage, body: string, response: ServerResponse) => boolean = () => false,
  ) {
    this.#server = createServer(async (request, response) => {
      const body = await text(request);
      if (other(request, body, response)) return;
      const { id, method, params } = JSON.parse(body);
      const say = (message: object): void => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ jsonrpc: '2.0', id, ...message }));
      };
      const [protocolVersion, serverInfo] = ['2025-11-25', { name: 'x', version: '1' }];
      if (id === undefined) response.writeHead(202).end();
      else if (method === 'initialize') say({ result: { protocolVersion, capabilities: { tools: {} }, serverInfo } });
      else if (method === 'tools/list') say({ result: { tools } });
      else if (method !== 'tools/call') say({ error: { code: -32601, message: 'no' } });
      else call({ args: params.arguments, body, response, say });
    });
  }

  /** Gives its origin. */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
