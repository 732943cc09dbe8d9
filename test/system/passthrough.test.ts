import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { after, before, test } from 'node:test';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';

/** A remote server that keeps everything that it was sent. */
const received: { headers: IncomingHttpHeaders; body: string }[] = [];
const answers: Readonly<Record<string, unknown>> = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'nosy', version: '1' },
  },
  'tools/list': { tools: [{ name: 'look', inputSchema: { type: 'object', properties: {} } }] },
  'tools/call': { content: [{ type: 'text', text: 'seen' }] },
};
const nosy = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  received.push({ headers: request.headers, body });
  const { id, method } = JSON.parse(body || '{}');
  if (id === undefined) return void response.writeHead(202).end();
  response.writeHead(200, { 'content-type': 'application/json' });
  const unknown = { error: { code: -32601, message: 'Method not found' } };
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(method in answers ? { result: answers[method] } : unknown) }));
});

let product: Product;
let workspace: Workspace;
before(async () => {
  await new Promise<void>((resolve) => nosy.listen(0, '127.0.0.1', resolve));
  const address = nosy.address();
  workspace = new Workspace({
    'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n',
    'policies/p.cedar':
      'permit (principal in Tenant::"acme", action == Action::"nosy/look", resource == Tenant::"acme");\n',
  });
  const port = typeof address === 'object' ? address?.port : 0;
  await workspace.must('add', `http://127.0.0.1:${port}/mcp`, '--name', 'nosy', '--yes');
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace?.remove();
  nosy.close();
});

test('never passes a client’s token, cookies, identity or envelope to an upstream', async () => {
  verifies('authn.no-passthrough');
  received.length = 0;
  const token = await product.token();
  const extra = { cookie: 'session=1', 'x-forwarded-for': '1.2.3.4', 'x-api-key': 'k', traceparent: '00-1-1-01' };
  const legacy = await post(product, callText('nosy__look', '{}'), { token, headers: extra });
  assert.equal(legacy.json.result.content[0].text, 'seen');
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { sampling: {} },
    'io.modelcontextprotocol/clientInfo': { name: 'who-I-am', version: '1' },
  };
  const params = { name: 'nosy__look', arguments: {}, _meta: meta };
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'nosy__look' };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params });
  assert.equal((await post(product, body, { token, headers })).json.result.resultType, 'complete');
  const calls = received.filter((one) => one.body.includes('tools/call'));
  assert.equal(calls.length, 2);
  for (const one of received) {
    const text = JSON.stringify(one);
    for (const secret of [token, 'alice', 'acme', 'session=1', '1.2.3.4', 'who-I-am']) {
      assert.ok(!text.includes(secret), `${secret} in ${text}`);
    }
    // To an older server its handshake names what any client may have; no request says what this one has.
    if (!text.includes('"method\\":\\"initialize')) assert.ok(!text.includes('sampling'), text);
    assert.equal(one.headers.authorization, undefined);
    assert.equal(one.headers['x-api-key'], undefined);
  }
});
