import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Workspace } from '../../support/product.ts';

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

  /** @param tools their settings, as the configuration has them */
  async addTo(workspace: Workspace, tools: string): Promise<void> {
    await workspace.must('add', this.url, '--name', 'till', '--yes');
    const file = join(workspace.dir, 'innerkeep.yaml');
    const lines = readFileSync(file, 'utf8').split('\n');
    const at = lines.findIndex((line) => line.includes(this.url));
    const indent = /^ */.exec(lines[at] ?? '')?.[0] ?? '';
    writeFileSync(file, lines.toSpliced(at + 1, 0, `${indent}tools: { ${tools} }`).join('\n'));
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
      reply({ tools: ['echo', 'pay', 'hold'].map((tool) => ({ name: tool, inputSchema, execution })) });
    else if (name === 'hold') this.held.push(() => reply(said));
    else reply(said);
  }
}

const inputSchema = { type: 'object', properties: { text: { type: 'string' } } };
const execution = { taskSupport: 'optional' };
