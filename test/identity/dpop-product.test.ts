import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { noRedis, redisServer } from '../state/support.ts';
import { freePort } from '../support/free-port.ts';
import { post, type Reply } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';
import { type Holder, holder, proof } from './support/holder.ts';

const LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
const ports = 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n';

let workspace: Workspace;
let product: Product;
let key: Holder;
let token: string;
let nonce = '';
before(async () => {
  workspace = new Workspace({ 'innerkeep.yaml': ports, 'policies/none.cedar': '' });
  product = await workspace.up();
  key = await holder();
  writeFileSync(join(workspace.dir, 'key.json'), JSON.stringify(key.jwk));
  token = await product.token('--dpop-jwk', join(workspace.dir, 'key.json'));
});
after(async () => {
  await product?.stop();
  workspace?.remove();
});

const made = (by: Holder, claims: object = {}): string =>
  proof(by, { token, htu: product.ready.mcp, iat: Date.now() / 1000, claims: { nonce, ...claims } });
const send = (dpop: string, authorization = `DPoP ${token}`): Promise<Reply> =>
  post(product, LIST, { headers: { authorization, dpop } });

test('a bound token opens the edge with a proof of its key, after one challenge for the nonce', async () => {
  verifies('authn.workload');
  const challenged = await send(made(key));
  assert.equal(challenged.status, 401, challenged.text);
  assert.equal(challenged.headers['www-authenticate'], 'DPoP error="use_dpop_nonce"');
  nonce = String(challenged.headers['dpop-nonce']);
  assert.match(nonce, /^[\w-]{22}$/);
  const good = await send(made(key));
  assert.deepEqual([good.status, good.json.result], [200, { tools: [] }], good.text);
});

test('replayed, stolen, as a bearer token or with a thief’s key it gets the answer that everybody gets', async () => {
  verifies('authn.workload', 'authn.edge');
  const once = made(key);
  assert.equal((await send(once)).status, 200);
  const answers = await Promise.all([
    post(product, LIST, {}),
    send(once),
    send(made(key), `Bearer ${token}`),
    send(made(await holder())),
    send(made(key, { htm: 'GET' })),
    send('not a proof'),
  ]);
  const seen = answers.map(({ status, headers: { date, ...rest }, text }) => JSON.stringify([status, rest, text]));
  assert.equal(new Set(seen).size, 1, seen.join('\n'));
  assert.match(seen[0] ?? '', /^\[421,/);
  const { records } = JSON.parse(await workspace.must('audit', 'tail', '-n', '20', '--json'));
  const details = records.map(({ detail }: { detail: string }) => detail).join('\n');
  for (const own of [
    /no Authorization/,
    /jti has been used/,
    /like a bearer one/,
    /another key/,
    /htm/,
    /compact form/,
  ])
    assert.match(details, own);
});

test('a stream needs a proof of its own request, and ends when its token is taken back', async () => {
  verifies('authn.workload', 'authn.edge');
  const mine = await product.token('--dpop-jwk', join(workspace.dir, 'key.json'));
  const by = (htm: string): Record<string, string> => ({
    authorization: `DPoP ${mine}`,
    dpop: proof(key, { token: mine, htu: product.ready.mcp, htm, iat: Date.now() / 1000, claims: { nonce } }),
  });
  const client = '"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}';
  const opened = await post(product, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{${client}}}`, {
    headers: by('POST'),
  });
  const session = String(opened.headers['mcp-session-id']);
  const listen = (headers: Record<string, string>): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const all = {
        ...headers,
        accept: 'text/event-stream',
        'mcp-session-id': session,
        'mcp-protocol-version': '2025-11-25',
      };
      request(product.ready.mcp, { ca: product.ca, headers: all, agent: false }, resolve).on('error', reject).end();
    });
  const status = async (headers: Record<string, string>): Promise<number | undefined> => {
    const answer = await listen(headers);
    answer.resume();
    return answer.statusCode;
  };
  assert.equal(await status(by('POST')), 421);
  assert.equal(await status({ authorization: `Bearer ${mine}` }), 421);
  const own = by('GET');
  const stream = await listen(own);
  assert.deepEqual([stream.statusCode, stream.headers['content-type']], [200, 'text/event-stream']);
  assert.equal(await status(own), 421);
  const ended = once(stream.resume(), 'end');
  await workspace.must('token', '--revoke', mine);
  await ended;
  assert.equal(await status(by('GET')), 421);
});

test('does not start where its state store cannot be reached: exit 2, and which key', { skip: noRedis }, async (t) => {
  const start = async (state: string) => {
    const other = new Workspace({ 'innerkeep.yaml': `${ports}state: ${state}\n`, 'policies/none.cedar': '' });
    t.after(() => other.remove());
    return { other, ran: await other.run('up', '--json') };
  };
  const port = await freePort();
  const { ran } = await start(`redis://127.0.0.1:${port}`);
  assert.equal(ran.code, 2, ran.stderr);
  assert.match(ran.stderr, /innerkeep\.yaml:3:\d+: state: .*ECONNREFUSED/);
  for (const plain of ['redis://redis.example:6379', 'memcached://127.0.0.1', 'redis'])
    assert.match((await start(plain)).ran.stderr, /innerkeep\.yaml:3:\d+: state: `memory`, rediss:/);
  const { url } = await redisServer(t);
  const good = new Workspace({ 'innerkeep.yaml': `${ports}state: ${url}\n`, 'policies/none.cedar': '' });
  t.after(() => good.remove());
  await (await good.up()).stop();
});

test('connect proves a key of its own with each request, the nonce included', async () => {
  verifies('authn.workload');
  const said = await workspace.pipe(`${LIST}\n`, 'connect', '--subject', 'alice', '--tenant', 'acme');
  assert.deepEqual(JSON.parse(said.stdout), { jsonrpc: '2.0', id: 1, result: { tools: [] } }, said.stderr);
});
