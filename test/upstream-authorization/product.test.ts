import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { callText, post } from '../support/http.ts';
import { Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';
import { exchangeIssuer } from './support/exchange-issuer.ts';

const AUDIENCE = 'https://crm.example';
const answers: Readonly<Record<string, unknown>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'crm', version: '1' } },
  'tools/list': { tools: [{ name: 'look', inputSchema: { type: 'object', properties: {} } }] },
};

test('a remote server gets each caller’s own exchanged token, and nobody’s own; what fails is told to the log alone', async (t) => {
  verifies('authn.no-passthrough', 'output.errors');
  const issuer = await exchangeIssuer(t);
  const seen: { readonly method: string; readonly authorization: string | undefined }[] = [];
  const manners = { demands: false, echoes: false, refuses: 0 };
  const crm = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { id, method } = JSON.parse(body || '{}');
    const { authorization } = request.headers;
    if (method !== undefined) seen.push({ method, authorization });
    if (manners.demands && (authorization === undefined || (method === 'tools/call' && manners.refuses-- > 0)))
      return void response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
    if (id === undefined) return void response.writeHead(202).end();
    const text = manners.echoes ? String(authorization) : 'looked';
    const result = method === 'tools/call' ? { content: [{ type: 'text', text }] } : answers[method];
    const outcome = result === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result };
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }));
  });
  await new Promise<void>((listening) => crm.listen(0, '127.0.0.1', listening));
  t.after(() => {
    crm.closeAllConnections();
    crm.close();
  });
  const port = await freePort();
  const workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:${port}" }\nadmin: { listen: "127.0.0.1:0" }\n`,
    'idp-ca.pem': issuer.ca,
    'policies/p.cedar':
      'permit (principal in Tenant::"acme", action == Action::"crm/look", resource == Tenant::"acme");\n',
  });
  t.after(() => workspace.remove());
  const { port: crmPort } = crm.address() as AddressInfo;
  await workspace.must('add', `http://127.0.0.1:${crmPort}/mcp`, '--name', 'crm', '--yes');
  const file = join(workspace.dir, 'innerkeep.yaml');
  const auth = `    auth:
      exchange: ${issuer.url}
      audience: ${AUDIENCE}
      trusts: ["https://localhost:${port}"]
      client: { id: gateway, secret: crm-client }
      ca: ./idp-ca.pem
`;
  writeFileSync(file, `${readFileSync(file, 'utf8').trimEnd()}\n${auth}`);
  const stored = await workspace.pipe('of-the-gateway', 'secrets', 'put', 'crm-client', '--tenant', 'acme');
  assert.equal(stored.code, 0, stored.stderr);
  const product = await workspace.up();
  t.after(() => product.stop());
  manners.demands = true;
  seen.length = 0;
  const look = async (token: string) => (await post(product, callText('crm__look', '{}'), { token })).json;
  const [alice, bob] = await Promise.all([
    product.token('--subject', 'alice', '--tenant', 'acme'),
    product.token('--subject', 'bob', '--tenant', 'acme'),
  ]);
  for (const token of [alice, bob, alice]) assert.equal((await look(token)).result?.content[0].text, 'looked');
  assert.deepEqual(
    issuer.asked.map(({ subject_token, by }) => [subject_token, by]),
    [alice, bob].map((token) => [token, 'gateway:of-the-gateway']),
  );
  const calls = seen.filter(({ method }) => method === 'tools/call').map(({ authorization }) => authorization);
  assert.deepEqual(calls, ['Bearer exchanged-1', 'Bearer exchanged-2', 'Bearer exchanged-1']);
  for (const { authorization = '' } of seen) assert.match(authorization, /^Bearer exchanged-[12]$/);

  manners.echoes = true;
  assert.equal((await look(alice)).error?.data.reason, 'upstream');
  manners.echoes = false;
  // A server that refuses what was made for it just now is no reason to ask the issuer for ever.
  manners.refuses = 9;
  const asked = issuer.asked.length;
  const carol = await product.token('--subject', 'carol', '--tenant', 'acme');
  assert.equal((await look(carol)).error?.data.reason, 'upstream');
  assert.equal(issuer.asked.length, asked + 1);
  manners.refuses = 0;
  issuer.instead['/token'] = (_, response) => response.writeHead(500).end('the idp is down: stack trace');
  const dave = await product.token('--subject', 'dave', '--tenant', 'acme');
  const { error } = await look(dave);
  assert.deepEqual([error.data.reason, error.message], ['upstream', 'The tool failed']);

  const log = await workspace.must('audit', 'tail', '-n', '1000', '--json');
  const records: readonly { event: string; incident?: string; detail?: string }[] = JSON.parse(log).records;
  assert.match(
    records.find((one) => one.incident === error.data.incident && one.detail)?.detail ?? '',
    /gave no token/,
  );
  assert.ok(records.some(({ event, detail }) => event === 'revoke' && detail?.includes('/mcp with token: 1 times')));
  for (const secret of [alice, bob, 'exchanged-1', 'exchanged-2', 'of-the-gateway'])
    assert.ok(!(log + product.stderr()).includes(secret), secret);
});
