import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../src/contract/refusal.ts';
import { verifies } from '../support/verifies.ts';
import { ecKey, sign } from './support/foreign-issuer.ts';
import { gateway, MCP, ORIGIN, refused } from './support/gateway.ts';

const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a minted token names its subject, tenant, groups and sign-in', async (t) => {
  verifies('authn.audience');
  const { mint, bearer, clock } = gateway(t);
  const subject = await bearer(await mint({ groups: ['ops', 'dev'], acr: 'mfa' }));
  const { tokenId, ...rest } = subject;
  assert.match(String(tokenId), /^[\w-]{43}$/);
  assert.deepEqual(rest, {
    id: 'alice',
    kind: 'User',
    tenant: 'acme',
    groups: ['ops', 'dev'],
    acr: 'mfa',
    authTime: clock.at / 1000,
    key: JSON.stringify([ORIGIN, 'acme', 'alice']),
  });
});

test('refuses a request without exactly one bearer token in its header (RFC 6750)', async (t) => {
  verifies('authn.edge');
  const { ask, mint, bearer } = gateway(t);
  const token = await mint();
  await refused(ask(undefined), /no Authorization/);
  await refused(ask(undefined, { query: `access_token=${token}` }), /no Authorization/);
  const notOne = /not exactly one bearer or DPoP token/;
  for (const value of ['', 'Bearer', 'Bearer ', token, `Basic ${token}`, `Bearer ${token}, Bearer ${token}`]) {
    await refused(ask(value), notOne);
  }
  for (const value of [
    `Bearer ${token} x`,
    `Bearer\t${token}`,
    ` Bearer ${token}`,
    `Bearer ${token}\n`,
    `Bearer "${token}"`,
  ]) {
    await refused(ask(value), notOne);
  }
  await refused(bearer('a'.repeat(8192)), /longer than 8192/);
  assert.equal((await ask(`bearer ${token}`)).id, 'alice');
});

test('refuses whatever is no JWT, without a look at any key', async (t) => {
  const { bearer, mint, fetched } = gateway(t);
  const [head = '', body = '', signature = ''] = (await mint()).split('.');
  for (const broken of ['x', 'a.b', '...', `${head}.${body}`, `${head}.${body}.`, `${head}..${signature}`]) {
    await refused(bearer(broken), /compact form/);
  }
  await refused(bearer(`${head}.${body}.${signature}.x`), /compact form/);
  await refused(bearer(`${head}.${b64([])}.${signature}`), /not a JSON object/);
  const twice = Buffer.from(`{"alg":"ES256","alg":"none"}`).toString('base64url');
  await refused(bearer(`${twice}.${body}.${signature}`), /duplicate key/);
  await fc.assert(
    fc.asyncProperty(fc.stringMatching(/^[\w\-.~+/]{1,200}=?$/), async (text) => {
      await assert.rejects(bearer(text), (error) => error instanceof Refusal && error.code === 'unauthenticated');
    }),
    { numRuns: 200 },
  );
  assert.deepEqual(fetched, []);
});

test('refuses unsigned tokens and the public key as an HMAC secret (RFC 8725 §2.1)', async (t) => {
  const { bearer, mint, issuer } = gateway(t);
  const [, body = ''] = (await mint()).split('.');
  const { kid } = issuer.jwks().keys[0] ?? {};
  for (const alg of ['none', 'None', 'NONE', '']) {
    await refused(bearer(`${b64({ alg, typ: 'at+jwt', kid })}.${body}.AA`), /algorithm/);
  }
  const jwk = issuer.jwks().keys[0] ?? {};
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' });
  for (const secret of [pem, JSON.stringify(jwk)]) {
    const signed = `${b64({ alg: 'HS256', typ: 'at+jwt', kid })}.${body}`;
    const mac = createHmac('sha256', secret).update(signed).digest('base64url');
    await refused(bearer(`${signed}.${mac}`), /algorithm "HS256"/);
  }
});

test('refuses a key that the token itself brings or points at (RFC 8725 §3.10)', async (t) => {
  const { bearer, claims, fetched, issuer } = gateway(t);
  const own = ecKey('mine');
  const { kid } = issuer.jwks().keys[0] ?? {};
  const brought: Record<string, unknown>[] = [
    { jwk: own.publicJwk },
    { jku: 'https://attacker.example/keys' },
    { x5u: 'https://attacker.example/cert' },
    { x5c: ['AAAA'] },
  ];
  for (const header of brought) {
    await refused(bearer(await sign(own, claims(ORIGIN), { kid, ...header })), /header parameter (jwk|jku|x5u|x5c)/);
  }
  for (const name of ['../../../../dev/null', "' OR 1=1 --", '__proto__', 'constructor', 'mine', '']) {
    await refused(bearer(await sign(own, claims(ORIGIN), { kid: name })), /no single key/);
  }
  await refused(bearer(await sign(own, claims(ORIGIN), { kid: 'k'.repeat(257) })), /kid is not/);
  await refused(bearer(await sign(own, claims(ORIGIN), { kid })), /SIGNATURE/);
  assert.deepEqual(fetched, []);
});

test('refuses critical extensions, and other kinds of JWT (RFC 7515 §4.1.11, RFC 9068 §4)', async (t) => {
  const { bearer, claims, publish } = gateway(t);
  const key = ecKey('k');
  const jwks = { keys: [key.publicJwk] };
  publish({ issuers: [{ issuer: ORIGIN, jwks, tenant: { claim: 'tenant' }, embedded: true }] });
  const good = claims(ORIGIN);
  assert.equal((await bearer(await sign(key, good))).id, 'bob');
  assert.equal((await bearer(await sign(key, good, { typ: 'application/AT+jwt' }))).id, 'bob');
  await refused(bearer(await sign(key, good, { crit: ['urn:x'], 'urn:x': 1 })), /header parameter crit/);
  for (const typ of ['JWT', 'dpop+jwt', 'logout+jwt', 'secevent+jwt', '']) {
    await refused(bearer(await sign(key, good, { typ })), /typ/);
  }
  await refused(bearer(await sign(key, good, { typ: undefined })), /typ/);
  await refused(bearer(await sign(key, claims(ORIGIN, { jti: undefined }))), /without jti/);
  const odd = [{ jti: 7 }, { jti: 'a\nb' }, { acr: 7 }, { acr: '' }, { auth_time: 'now' }, { auth_time: null }];
  for (const change of odd) await refused(bearer(await sign(key, claims(ORIGIN, change))), /jti|acr|auth_time/);
  const limits = async (scope: string) => (await bearer(await sign(key, claims(ORIGIN, { scope })))).scopes;
  assert.deepEqual(await limits('openid mcp:files mcp:notes/look'), ['mcp:files', 'mcp:notes/look']);
  for (const scope of ['', 'openid profile', 'mcp', 'mcp mcp:files']) assert.equal(await limits(scope), undefined);
  for (const header of [{ typ: 7 }, { typ: ['at+jwt'] }])
    await refused(bearer(await sign(key, good, header)), /typ is/);
  const [, body = '', signature = ''] = (await sign(key, good)).split('.');
  for (const header of [{ typ: 'at+jwt' }, { alg: 7 }, { alg: ['ES256'] }]) {
    await refused(bearer(`${b64(header)}.${body}.${signature}`), /without alg/);
  }
  for (const sub of [undefined, '', 7, 'a\u202eb', 'a\nb', ' a', 'https://idp.example#a', 'x'.repeat(257)]) {
    await refused(bearer(await sign(key, claims(ORIGIN, { sub }))), /sub/);
  }
  for (const tenant of [undefined, '', ['acme'], 'a\u0000']) {
    await refused(bearer(await sign(key, claims(ORIGIN, { tenant }))), /tenant/);
  }
  for (const groups of ['ops', [1], [''], [['ops']]])
    await refused(bearer(await sign(key, claims(ORIGIN, { groups }))), /groups/);
});

test('refuses a token minted for another resource or another endpoint (RFC 8707)', async (t) => {
  verifies('authn.audience');
  const { bearer, mint, claims, publish } = gateway(t);
  const files = await mint({ audience: `${MCP}/files` });
  assert.equal((await bearer(files, { server: 'files' })).id, 'alice');
  await refused(bearer(files, { server: 'notes' }), /another endpoint/);
  await refused(bearer(files), /another endpoint/);
  assert.equal((await bearer(await mint(), { server: 'notes' })).id, 'alice');

  const key = ecKey('k');
  const jwks = { keys: [key.publicJwk] };
  publish({ issuers: [{ issuer: ORIGIN, jwks, tenant: { claim: 'tenant' }, embedded: true }] });
  const withAudience = async (aud: unknown) => bearer(await sign(key, claims(ORIGIN, { aud })), { server: 'files' });
  const foreign = [
    'https://other.example/mcp',
    `${MCP}/`,
    `${ORIGIN}/MCP`,
    ORIGIN,
    `${MCP}/files/x`,
    `${MCP}/../mcp`,
    `${MCP}x`,
    'https://localhost:8443/mcp?x',
    'https://LOCALHOST:8443/mcp',
    [],
    ['https://other.example/mcp'],
  ];
  for (const aud of foreign) await refused(withAudience(aud), /another resource/);
  for (const aud of [7, { 0: MCP }, [MCP, 7], [[MCP]], null]) await refused(withAudience(aud), /aud/);
  await refused(withAudience(undefined), /aud/);
  assert.equal((await withAudience(['https://other.example', MCP])).id, 'bob');
  await refused(withAudience([`${MCP}/notes`, 'https://other.example']), /another endpoint/);
});

test('refuses a token outside its life, with five seconds for clocks that differ; a cached verdict dies too', async (t) => {
  const { bearer, mint, clock, claims, publish } = gateway(t);
  const token = await mint({ ttlSeconds: 60 });
  const fresh = await mint({ ttlSeconds: 60 });
  await bearer(token);
  clock.at += 64_999;
  assert.equal((await bearer(token)).id, 'alice');
  assert.equal((await bearer(fresh)).id, 'alice');
  clock.at += 1;
  await refused(bearer(token), /EXPIRED/);
  await refused(bearer(await mint().then(() => fresh)), /EXPIRED/);

  const key = ecKey('k');
  publish({
    issuers: [{ issuer: ORIGIN, jwks: { keys: [key.publicJwk] }, tenant: { claim: 'tenant' }, embedded: true }],
  });
  const seconds = Math.floor(clock.at / 1000);
  const living = async (change: Record<string, unknown>) => bearer(await sign(key, claims(ORIGIN, change)));
  assert.equal((await living({ nbf: seconds + 5, iat: seconds + 5 })).id, 'bob');
  await refused(living({ nbf: seconds + 6 }), /nbf/);
  await refused(living({ iat: seconds + 6 }), /iat/);
  await refused(living({ iat: undefined }), /iat/);
  await refused(living({ exp: undefined }), /exp/);
  await refused(living({ exp: String(seconds + 60) }), /exp/);
});

test('refuses a revoked token from the next bundle on, cached or not; the list forgets it when it has long expired', async (t) => {
  const { bearer, mint, issuer, publish, clock } = gateway(t);
  const [token, other] = [await mint(), await mint()];
  await bearer(token);
  issuer.revoke(token);
  publish();
  await refused(bearer(token), /revoked/);
  assert.equal((await bearer(other)).id, 'alice');
  clock.at += 25 * 3600 * 1000;
  assert.deepEqual(issuer.revoked(), []);
});

test('a cached verdict dies when its key leaves the set of the issuer', async (t) => {
  const { bearer, mint, publish, issuer } = gateway(t);
  const token = await mint();
  await bearer(token);
  const next = ecKey('next');
  const settings = { issuer: ORIGIN, tenant: { claim: 'tenant' }, embedded: true };
  publish({ issuers: [{ ...settings, jwks: { keys: [next.publicJwk, ...issuer.jwks().keys] } }] });
  assert.equal((await bearer(token)).id, 'alice');
  publish({ issuers: [{ ...settings, jwks: { keys: [next.publicJwk] } }] });
  await refused(bearer(token), /no single key/);
  publish({ issuers: [] });
  await refused(bearer(token), /unknown issuer/);
});
