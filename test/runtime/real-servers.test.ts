import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';
import { callTool, runtimeWith } from './support.ts';

/** The official SDK's server, each session with a memory of its own. */
async function sdkServer(t: TestContext, sessions: boolean) {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const http = createServer(async (request, response) => {
    const known = transports.get(String(request.headers['mcp-session-id']));
    if (known) return known.handleRequest(request, response);
    const transport = new StreamableHTTPServerTransport(
      sessions
        ? { sessionIdGenerator: () => randomUUID(), onsessioninitialized: (id) => void transports.set(id, transport) }
        : {},
    );
    const server = new McpServer({ name: 'sdk', version: '1' });
    let last = 'nothing';
    server.registerTool('echo', { inputSchema: { echo: z.string() } }, ({ echo }) => {
      const text = `${last} then ${echo}`;
      last = echo;
      return { content: [{ type: 'text', text }] };
    });
    // The SDK's own types disagree under exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    return transport.handleRequest(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  const { port } = http.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/mcp`;
  return { kind: 'remote', name: 'sdk', url, deadline: 60_000, maxResult: 100_000 } as const;
}

test("the SDK's server with sessions: one subject never meets another one's state", async (t) => {
  const { link } = await runtimeWith(t, [await sdkServer(t, true)]);
  const call = (subject: string, echo: string) => callTool(link, { server: 'sdk', subject, echo });
  assert.equal(await call('alice', 'a1'), 'nothing then a1');
  assert.equal(await call('bob', 'b1'), 'nothing then b1');
  assert.equal(await call('alice', 'a2'), 'a1 then a2');
  const live = JSON.parse(Buffer.from(await link.describe('sdk', new AbortController().signal)).toString());
  assert.equal(JSON.parse(live.tools[0]).name, 'echo');
});

test("the SDK's server without sessions", async (t) => {
  const { link } = await runtimeWith(t, [await sdkServer(t, false)]);
  assert.equal(await callTool(link, { server: 'sdk', echo: 'x' }), 'nothing then x');
  assert.equal(await callTool(link, { server: 'sdk', echo: 'y' }), 'nothing then y');
});
