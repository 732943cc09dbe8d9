import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { calculateJwkThumbprint, decodeJwt } from 'jose';
import { token } from '../../src/cli/token.ts';
import { standardRoutes } from '../../src/control-plane/admin-api/routes.ts';
import { type AdminRoutes, answerJson, openAdminApi } from '../../src/control-plane/admin-api/server.ts';
import { openIssuer } from '../../src/control-plane/issuer/issuer.ts';
import { scratch } from '../support/scratch.ts';
import { MCP, ORIGIN } from './support/gateway.ts';

async function running(t: TestContext, more: AdminRoutes = {}, externalIssuers: readonly string[] = []) {
  const stateDir = scratch(t);
  const issuer = openIssuer({ stateDir, issuerUrl: ORIGIN, resources: [MCP, `${MCP}/files`], now: Date.now });
  const published: (readonly string[])[] = [];
  const faults: unknown[] = [];
  const health = { ready: true };
  const api = await openAdminApi({
    stateDir,
    port: 0,
    announce: { mcp: MCP, issuer: ORIGIN, ca: '/state/ca.pem' },
    fault: (error) => faults.push(error),
    routes: {
      ...standardRoutes({
        issuer,
        externalIssuers,
        mcp: MCP,
        push: async () => ({ changed: false, bundle: 1 }),
        history: () => ({ versions: [], gateways: [] }),
        diff: () => ({ changes: [] }),
        publishRevocations: async () => void published.push(issuer.revoked()),
        ready: () => health.ready,
        leases: () => [],
        grants: { list: () => [], withdraw: () => [] },
        budgets: () => [],
        stops: { current: [], add: () => {}, remove: () => {} },
        publishStops: async () => {},
        metrics: () => ({
          calls: 7,
          refusals: { unauthenticated: 3, 'odd"\n': 1 },
          memory: { control: 1024 },
          alerts: { 'edge-1': 1 },
        }),
        status: () => ({ bundle: 1 }),
      }),
      ...more,
    },
  });
  t.after(() => api.close());
  return { stateDir, issuer, api, published, faults, health };
}

/** A raw request: its Host is what the test says. */
function ask(url: string, method: string, path: string, headers: Record<string, string> = {}, body = '') {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((settle, reject) => {
    const sent = request(url, { method, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (part) => {
        text += part;
      });
      answer.on('end', () => settle({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function run(stateDir: string, ...argv: string[]) {
  const out = { stdout: '', stderr: '' };
  const code = await token(argv, {
    stateDir,
    stdout: (text) => {
      out.stdout += text;
    },
    stderr: (text) => {
      out.stderr += text;
    },
  });
  return { code, ...out };
}

test('a stranger gets health and figures, and no more of what is closed than of what does not exist', async (t) => {
  const { api, health } = await running(t);
  assert.equal((await ask(api.url, 'GET', '/healthz')).status, 200);
  assert.equal((await ask(api.url, 'GET', '/readyz')).status, 200);
  health.ready = false;
  assert.equal((await ask(api.url, 'GET', '/readyz')).status, 503);
  const { text } = await ask(api.url, 'GET', '/metrics');
  assert.match(text, /^innerkeep_calls_total 7$/m);
  assert.match(text, /^innerkeep_refusals_total\{code="unauthenticated"\} 3$/m);
  assert.match(text, /^innerkeep_refusals_total\{code="odd\\"\\n"\} 1$/m);
  const closed = await ask(api.url, 'GET', '/admin/status');
  const absent = await ask(api.url, 'GET', '/admin/nothing');
  assert.deepEqual([closed.status, closed.text], [absent.status, absent.text]);
  assert.equal(closed.status, 401);
  for (const secret of ['', api.secret.slice(1), `${api.secret}x`, api.secret.toLowerCase()]) {
    assert.equal((await ask(api.url, 'GET', '/admin/status', { authorization: `Bearer ${secret}` })).status, 401);
  }
  for (const path of ['/constructor', '/__proto__', '//healthz', '/healthz/', '/admin/../healthz/x']) {
    assert.equal((await ask(api.url, 'GET', path)).status, 401, path);
  }
  const known = await ask(api.url, 'GET', '/admin/status', { authorization: `Bearer ${api.secret}` });
  assert.deepEqual([known.status, JSON.parse(known.text)], [200, { bundle: 1 }]);
});

test('refuses a rebound name and a page of another origin, on open routes as well', async (t) => {
  const { api } = await running(t);
  const { port } = new URL(api.url);
  const authorization = `Bearer ${api.secret}`;
  for (const host of [
    'attacker.example',
    `attacker.example:${port}`,
    '127.0.0.1',
    `127.0.0.1:${port}.attacker.example`,
  ]) {
    assert.equal((await ask(api.url, 'GET', '/healthz', { host })).status, 403, host);
    assert.equal((await ask(api.url, 'GET', '/admin/status', { host, authorization })).status, 403, host);
  }
  for (const origin of ['https://attacker.example', 'null', `https://127.0.0.1:${port}`, 'http://localhost:1']) {
    const answer = await ask(api.url, 'GET', '/admin/status', { origin, authorization });
    assert.equal(answer.status, 403, origin);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
  assert.equal((await ask(api.url, 'GET', '/healthz', { host: `localhost:${port}` })).status, 200);
});

test('refuses bodies that are large, of another media type, or not strict JSON; a fault tells nothing', async (t) => {
  const more: AdminRoutes = {
    'POST /admin/fault': {
      handle: () => {
        throw new Error('the secret reason');
      },
    },
    'POST /admin/echo': { handle: ({ body, query }) => answerJson({ body, query: query.get('q') }) },
  };
  const { api, faults } = await running(t, more);
  const json = { authorization: `Bearer ${api.secret}`, 'content-type': 'application/json' };
  const post = (path: string, body: string, headers = json) => ask(api.url, 'POST', path, headers, body);
  assert.deepEqual(JSON.parse((await post('/admin/echo?q=1', '{"a":1}')).text), { body: { a: 1 }, query: '1' });
  assert.equal((await post('/admin/echo', '{"a":1,"a":2}')).status, 400);
  assert.equal((await post('/admin/echo', '{}', { ...json, 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post('/admin/echo', JSON.stringify('x'.repeat(70_000)))).status, 413);
  assert.equal((await post('/admin/token', '{"subject":"a","tenant":"t","ttlSeconds":60,"admin":true}')).status, 400);
  const fault = await post('/admin/fault', '{}');
  assert.deepEqual([fault.status, JSON.parse(fault.text)], [500, { error: 'internal error' }]);
  assert.match(String(faults), /the secret reason/);
});

test('the announcement is its owner’s alone, leads to the API, and goes with it', async (t) => {
  const { stateDir, api } = await running(t);
  const files = ['admin.json', 'admin.secret'].map((name) => join(stateDir, 'run', name));
  for (const file of files) assert.equal(statSync(file).mode & 0o777, 0o600);
  const announced = JSON.parse(readFileSync(files[0] ?? '', 'utf8'));
  assert.deepEqual(announced, { url: api.url, pid: process.pid, mcp: MCP, issuer: ORIGIN, ca: '/state/ca.pem' });
  assert.equal(Buffer.from(api.secret, 'base64url').length, 32);
  assert.ok(!readFileSync(files[0] ?? '', 'utf8').includes(api.secret));
  await api.close();
  assert.ok(!files.some((file) => existsSync(file)));
});

test('innerkeep token prints a token alone on stdout, as it was asked for', async (t) => {
  const { stateDir } = await running(t);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' });
  const jwkFile = join(stateDir, 'key.jwk');
  writeFileSync(jwkFile, JSON.stringify(jwk));
  const plain = await run(stateDir, '--subject', 'alice', '--tenant', 'acme');
  assert.deepEqual([plain.code, plain.stderr], [0, '']);
  const claims = decodeJwt(plain.stdout.trim());
  assert.deepEqual([claims.sub, claims.tenant, claims.aud, claims.groups], ['alice', 'acme', MCP, []]);
  assert.equal(Number(claims.exp) - Number(claims.iat), 600);
  const rich = [
    '--group',
    'a',
    '--group',
    'b',
    '--audience',
    `${MCP}/files`,
    '--ttl',
    '2h',
    '--acr',
    'mfa',
    '--dpop-jwk',
    jwkFile,
  ];
  const asked = await run(stateDir, '--subject', 'bob', '--tenant', 'acme', ...rich, '--json');
  const full = decodeJwt(JSON.parse(asked.stdout).token);
  assert.deepEqual([full.aud, full.groups, full.acr, full.auth_time], [`${MCP}/files`, ['a', 'b'], 'mfa', full.iat]);
  assert.deepEqual(full.cnf, { jkt: await calculateJwkThumbprint(jwk) });
  assert.equal(Number(full.exp) - Number(full.iat), 7200);
});

test('innerkeep token --revoke is in the published list when it returns', async (t) => {
  const { stateDir, published } = await running(t);
  const { stdout } = await run(stateDir, '--subject', 'alice', '--tenant', 'acme');
  const revoked = await run(stateDir, '--revoke', stdout.trim());
  assert.deepEqual([revoked.code, revoked.stdout], [0, '']);
  assert.deepEqual(published, [[decodeJwt(stdout.trim()).jti]]);
  assert.equal((await run(stateDir, '--revoke', 'x')).code, 2);
});

test('innerkeep token exits 2 for a wrong wish and when no up is running, and says which', async (t) => {
  const { stateDir, api } = await running(t);
  const wrong = [
    [],
    ['--subject', 'a'],
    ['--tenant', 't'],
    ['--subject', 'a', '--tenant', 't', 'extra'],
    ['--subject', 'a', '--tenant', 't', '--unknown'],
    ['--subject', 'a', '--tenant', 't', '--ttl', '10'],
    ['--subject', 'a', '--tenant', 't', '--ttl', '25h'],
    ['--subject', 'a#b', '--tenant', 't'],
    ['--subject', 'a', '--tenant', 't', '--audience', 'https://other.example/mcp'],
    ['--subject', 'a', '--tenant', 't', '--acr', 'pwd'],
    ['--subject', 'a', '--tenant', 't', '--dpop-jwk', '/nowhere'],
  ];
  for (const argv of wrong) {
    const { code, stdout, stderr } = await run(stateDir, ...argv);
    assert.deepEqual([code, stdout], [2, ''], argv.join(' '));
    assert.match(stderr, /^innerkeep token: /);
  }
  assert.equal((await run(stateDir, '--help')).code, 0);
  await api.close();
  const gone = await run(stateDir, '--subject', 'a', '--tenant', 't');
  assert.deepEqual([gone.code, gone.stdout], [2, '']);
  assert.match(gone.stderr, /no innerkeep up is running with the state directory .*; start one, or name .* --state/);
});

test('innerkeep token mints nothing that nobody would accept: with identity.issuers it says where tokens come from', async (t) => {
  const { stateDir } = await running(t, {}, ['https://idp.example']);
  const { code, stdout, stderr } = await run(stateDir, '--subject', 'a', '--tenant', 't');
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /identity\.issuers names https:\/\/idp\.example; get the token there/);
});

test('an announcement that a killed up left behind is not mistaken for a running one', async (t) => {
  const { stateDir, api } = await running(t);
  const kept = ['admin.json', 'admin.secret'].map(
    (name) => [name, readFileSync(join(stateDir, 'run', name), 'utf8')] as const,
  );
  await api.close();
  for (const [name, text] of kept) writeFileSync(join(stateDir, 'run', name), text, { mode: 0o600 });
  const { code, stderr } = await run(stateDir, '--subject', 'a', '--tenant', 't');
  assert.equal(code, 2);
  assert.match(stderr, /does not answer .*; start it again/);
});
