import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';

/** A remote server of the test's: `hold` answers when it is told to, its other tools at once. */
export class Till {
  readonly url: string;
  /** Calls of `hold` that are here. */
  readonly held: (() => void)[] = [];

  static async start(t: TestContext): Promise<Till> {
    let till: Till | undefined;
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      if (request.method === 'POST') till?.answer(JSON.parse(body), response);
      else response.writeHead(405).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const address = server.address();
    till = new Till(typeof address === 'object' ? (address?.port ?? 0) : 0);
    return till;
  }

  constructor(port: number) {
    this.url = `http://127.0.0.1:${port}/mcp`;
  }

  answer({ id, method, params }: { id?: number; method: string; params: never }, response: ServerResponse): void {
    if (id === undefined) return void response.writeHead(202).end();
    const reply = (result: object) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    };
    const { name, arguments: args } = params as { name?: string; arguments?: { text?: string } };
    const said = { content: [{ type: 'text', text: `it said ${args?.text}` }] };
    if (method === 'initialize')
      reply({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'till', version: '1' } });
    else if (method === 'tools/list')
      reply({ tools: ['echo', 'pay', 'hold'].map((tool) => ({ name: tool, inputSchema })) });
    else if (name === 'hold') this.held.push(() => reply(said));
    else reply(said);
  }
}

const inputSchema = { type: 'object', properties: { text: { type: 'string' } } };
