import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, fetch as undiciFetch } from 'undici';
import { events, json, keepingSessions, remoteServer } from '../runtime/remote-server.ts';
import { freePort } from '../support/free-port.ts';
import { Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { exchangeIssuer } from './support/exchange-issuer.ts';

test('a subscription at a server with auth carries its caller’s own token, and its news reach that caller alone', async (t) => {
  verifies('authn.no-passthrough');
  const issuer = await exchangeIssuer(t);
  const streams = new Map<string, ReturnType<typeof events>>();
  const manners = keepingSessions(
    ({ method, headers, message }, response) => {
      const lists = {
        'resources/list': { resources: [{ uri: 'note://1', name: 'one' }] },
        'resources/templates/list': { resourceTemplates: [] },
        'tools/list': { tools: [] },
      };
      const result = Object.entries(lists).find(([name]) => name === message.method)?.[1];
      if (result !== undefined) return json(response, { jsonrpc: '2.0', id: message.id, result });
      if (method !== 'GET') return false;
      streams.set(String(headers.authorization), events(response));
      return true;
    },
    { tools: {}, resources: { subscribe: true } },
  );
  const { settings, heard, asked } = await remoteServer(t, manners);
  const port = await freePort();
  const workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:${port}" }\nadmin: { listen: "127.0.0.1:0" }\n`,
    'idp-ca.pem': issuer.ca,
    'policies/p.cedar': `permit (principal in Tenant::"acme", action in [Action::"crm#resources/subscribe",
      Action::"crm#resources/read", Action::"crm#resources/list"], resource == Tenant::"acme");\n`,
  });
  t.after(() => workspace.remove());
  await workspace.must('add', settings.url, '--name', 'crm', '--yes');
  const file = join(workspace.dir, 'innerkeep.yaml');
  const auth = `    auth:
      exchange: ${issuer.url}
      audience: https://crm.example
      trusts: ["https://localhost:${port}"]
      client: { id: gateway, secret: crm-client }
      ca: ./idp-ca.pem
`;
  writeFileSync(file, `${readFileSync(file, 'utf8').trimEnd()}\n${auth}`);
  await workspace.pipe('of-the-gateway', 'secrets', 'put', 'crm-client', '--tenant', 'acme');
  const product = await workspace.up();
  t.after(() => product.stop());
  heard.length = 0;
  const dispatcher = new Agent({ connect: { ca: product.ca } });
  t.after(() => dispatcher.destroy());
  const open = async (subject: string) => {
    const token = await product.token('--subject', subject, '--tenant', 'acme');
    const fetching = (input: string | URL, init: object) => undiciFetch(input, { ...init, dispatcher });
    const way = {
      fetch: fetching as unknown as typeof fetch,
      requestInit: { headers: { Authorization: `Bearer ${token}` } },
    };
    const client = new Client({ name: 'stock', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(product.ready.mcp), way));
    t.after(() => client.close());
    const news: string[] = [];
    const first = Promise.withResolvers<void>();
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
      news.push(params.uri);
      first.resolve();
    });
    await client.subscribeResource({ uri: 'crm+note://1' });
    return { client, news, first: first.promise };
  };
  const alice = await open('alice');
  const bob = await open('bob');
  assert.deepEqual(
    asked('resources/subscribe').map(({ headers }) => headers.authorization),
    ['Bearer exchanged-1', 'Bearer exchanged-2'],
  );
  for (const { headers } of heard) assert.match(headers.authorization ?? '', /^Bearer exchanged-[12]$/);
  streams.get('Bearer exchanged-2')?.send({
    jsonrpc: '2.0',
    method: 'notifications/resources/updated',
    params: { uri: 'note://1' },
  });
  await bob.first;
  assert.deepEqual([alice.news, bob.news], [[], ['crm+note://1']]);
  const { leases } = JSON.parse(await workspace.must('secrets', 'leases', '--json'));
  assert.deepEqual(leases.map(({ subject, server }: Record<string, string>) => [subject, server]).toSorted(), [
    ['alice', 'crm'],
    ['bob', 'crm'],
  ]);
  await Promise.all([alice, bob].map(({ client }) => client.unsubscribeResource({ uri: 'crm+note://1' })));
  await until(async () => JSON.parse(await workspace.must('secrets', 'leases', '--json')).leases.length === 0);
});
