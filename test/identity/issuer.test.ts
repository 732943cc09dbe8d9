import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { IssuerError, openIssuer, type TokenWish } from '../../src/control-plane/issuer/issuer.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { MCP, ORIGIN } from './support/gateway.ts';

const open = (stateDir: string) =>
  openIssuer({ stateDir, issuerUrl: ORIGIN, resources: [MCP, `${MCP}/files`], now: Date.now });
const wish: TokenWish = { subject: 'alice', tenant: 'acme', audience: MCP, ttlSeconds: 600 };

test('the public endpoints say what a client needs, whatever Host and forwarding headers claim', async (t) => {
  const issuer = open(scratch(t));
  const get = (url: string, headers = {}) => issuer.handle({ method: 'GET', url, headers, body: '' });
  const hostile = {
    host: 'attacker.example',
    'x-forwarded-host': 'attacker.example',
    'x-forwarded-proto': 'http',
    forwarded: 'host=x',
  };
  for (const document of ['oauth-authorization-server', 'openid-configuration']) {
    const answer = await get(`/.well-known/${document}`, hostile);
    const metadata = JSON.parse(answer.body.toString());
    assert.equal(answer.status, 200);
    assert.equal(metadata.issuer, ORIGIN);
    assert.equal(metadata.jwks_uri, `${ORIGIN}/oauth/jwks`);
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
    assert.ok(!JSON.stringify(metadata).includes('attacker'));
    assert.equal(metadata.registration_endpoint, undefined);
  }
  const keys = JSON.parse((await get('/oauth/jwks')).body.toString());
  assert.deepEqual(Object.keys(keys.keys[0]).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  const { payload, protectedHeader } = await jwtVerify(await issuer.mint(wish), createLocalJWKSet(keys), {
    issuer: ORIGIN,
    audience: MCP,
    typ: 'at+jwt',
  });
  assert.equal(payload.sub, 'alice');
  assert.equal(protectedHeader.kid, keys.keys[0].kid);
});

test('no endpoint gives a token to a stranger, registers a client, or is there beside those that are named', async (t) => {
  const issuer = open(scratch(t));
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const bodies = [
    'grant_type=authorization_code&client_id=innerkeep&code=x',
    'grant_type=client_credentials&client_id=innerkeep',
    'grant_type=refresh_token&client_id=innerkeep&refresh_token=x',
    '',
  ];
  for (const body of bodies) {
    const answer = await issuer.handle({ method: 'POST', url: '/oauth/token', headers: form, body });
    assert.ok([400, 401].includes(answer.status), body);
  }
  const authorize = '/oauth/authorize?response_type=code&client_id=innerkeep&redirect_uri=https%3A%2F%2Fx.example';
  const refusedPage = await issuer.handle({ method: 'GET', url: authorize, headers: {}, body: '' });
  assert.equal(refusedPage.status, 400);
  assert.match(String(refusedPage.headers['content-type']), /json/);
  for (const url of [
    '/oauth/register',
    '/reg',
    '/interaction/x',
    '/me',
    '/request',
    '/session/end',
    '//attacker.example/x',
    '*',
  ]) {
    assert.equal((await issuer.handle({ method: 'GET', url, headers: {}, body: '' })).status, 404, url);
  }
  assert.equal((await issuer.handle({ method: 'TRACE', url: '/oauth/token', headers: {}, body: '' })).status, 405);
});

test('refuses to mint what is not sane', async (t) => {
  verifies('authn.audience');
  const issuer = open(scratch(t));
  const bad: Partial<TokenWish>[] = [
    ...['', ' alice', 'a\u0000', 'a\nb', 'a\u202eb', '\ud800', 'https://idp.example#alice', 'x'.repeat(257)].map(
      (subject) => ({ subject }),
    ),
    ...['', 'a\rb', 'x'.repeat(257)].map((tenant) => ({ tenant })),
    { groups: ['ok', ''] },
    { groups: Array.from({ length: 65 }, (_, at) => `g${at}`) },
    ...[0, -1, 1.5, 24 * 3600 + 1, Number.NaN, Number.POSITIVE_INFINITY].map((ttlSeconds) => ({ ttlSeconds })),
    ...[`${MCP}/`, `${MCP}/other`, ORIGIN, 'https://other.example/mcp', ''].map((audience) => ({ audience })),
    { dpopJkt: 'short' },
  ];
  for (const change of bad)
    await assert.rejects(issuer.mint({ ...wish, ...change }), IssuerError, JSON.stringify(change));
});

test('binds a token to the thumbprint that was asked for (RFC 9449 §6.1)', async (t) => {
  const issuer = open(scratch(t));
  const jkt = 'A'.repeat(43);
  const claims = JSON.parse(atob((await issuer.mint({ ...wish, dpopJkt: jkt })).split('.')[1] ?? ''));
  assert.deepEqual(claims.cnf, { jkt });
  assert.equal(claims.auth_time, undefined);
  assert.equal(claims.acr, undefined);
});
