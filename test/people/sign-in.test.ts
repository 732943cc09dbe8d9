import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { openIssuer } from '../../src/control-plane/issuer/issuer.ts';
import { verifies } from '../support/verifies.ts';
import { type Door, openDoor } from './support/door.ts';
import { Visitor } from './support/visitor.ts';

async function person(door: Door, subject = 'alice'): Promise<Visitor> {
  const visitor = new Visitor(door);
  await visitor.enrol(door.issuer.invite({ subject, tenant: 'acme', groups: ['finance'] }, 900));
  return visitor;
}

/** From a client's request to its tokens. */
async function tokens(door: Door, visitor: Visitor, change: Readonly<Record<string, string>> = {}, headers = {}) {
  const { url, verifier } = door.ask(change);
  const code = String((await visitor.allow(url)).get('code'));
  const redeemed = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: door.callback.uri };
  return { redeemed, ...(await door.redeem(redeemed, headers)) };
}

const refresh = (door: Door, token: unknown, more = {}) =>
  door.redeem({ grant_type: 'refresh_token', refresh_token: String(token), ...more });

test('a person signs in with a passkey, consents, and the client gets a token for one resource (RFC 8707, 9207)', async (t) => {
  verifies('authn.human', 'authn.audience');
  const door = await openDoor(t);
  const visitor = await person(door);
  const { url, verifier, state } = door.ask({ scope: 'openid', resource: `${door.mcp}/files` });
  const query = await visitor.allow(url);
  assert.equal(query.get('iss'), door.origin);
  assert.equal(query.get('state'), state);
  const { body } = await door.redeem({
    grant_type: 'authorization_code',
    code: String(query.get('code')),
    code_verifier: verifier,
    redirect_uri: door.callback.uri,
  });
  const { iat = 0, ...claims } = decodeJwt(String(body.access_token));
  assert.equal(claims.aud, `${door.mcp}/files`);
  assert.deepEqual([claims.sub, claims.tenant, claims.groups, claims.acr], ['alice', 'acme', ['finance'], 'phr']);
  assert.ok(Math.abs(Number(claims.auth_time) - iat) < 60);
  assert.equal(claims.client_id, 'stock');
  assert.equal(decodeJwt(String(body.id_token)).sub, 'alice');
});

test('refuses requests without PKCE S256, with another redirect, resource, response, or client', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const visitor = await person(door);
  const { pathname } = new URL(door.callback.uri);
  const here = `http://127.0.0.1:9${pathname}`;
  const toClient: Record<string, [Record<string, string>, string]> = {
    'no challenge': [{ code_challenge: '' }, 'invalid_request'],
    plain: [{ code_challenge_method: 'plain' }, 'invalid_request'],
    'implicit flow': [{ response_type: 'token', response_mode: 'query' }, 'invalid_request'],
    'hybrid flow': [{ response_type: 'code id_token', nonce: 'n', response_mode: 'query' }, 'invalid_request'],
    'foreign resource': [{ resource: 'https://elsewhere.example/mcp' }, 'invalid_target'],
    'a request by value': [{ request: 'e30.e30.' }, 'request_not_supported'],
  };
  for (const [name, [change, error]] of Object.entries(toClient)) {
    const shown = await visitor.open(door.ask({ redirect_uri: here, ...change }).url);
    if (shown.away === '') assert.match(shown.body, /cannot be served/, name);
    else assert.equal(new URL(shown.away).searchParams.get('error'), error, name);
  }
  const toNobody: Record<string, Record<string, string>> = {
    'another path': { redirect_uri: `${here}/x` },
    'a query more': { redirect_uri: `${here}?x=1` },
    'another host': { redirect_uri: `http://localhost:9${pathname}` },
    'https in http’s place': { redirect_uri: `https://127.0.0.1:9${pathname}` },
    'a user in front': { redirect_uri: `http://127.0.0.1:9@evil.example${pathname}` },
    'a posted answer': { response_mode: 'form_post' },
    'an answer in a fragment': { response_mode: 'fragment' },
    'an unknown client': { client_id: 'nobody' },
    'the operator’s own': { client_id: 'innerkeep' },
  };
  for (const [name, change] of Object.entries(toNobody)) {
    const shown = await visitor.open(door.ask(change).url);
    assert.deepEqual([shown.status, shown.away], [400, ''], name);
  }
});

test('the code is good once, for its verifier, redirect and client; a second use ends what came of the first', async (t) => {
  verifies('authn.human');
  let published = 0;
  const door = await openDoor(t, { revokedMore: () => published++ });
  const visitor = await person(door);
  const { url, verifier } = door.ask();
  const code = String((await visitor.allow(url)).get('code'));
  const good = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: door.callback.uri };
  for (const change of [
    { code_verifier: 'x'.repeat(43) },
    { redirect_uri: `${door.callback.uri}/` },
    { code: 'x'.repeat(43) },
  ])
    assert.equal((await door.redeem({ ...good, ...change })).body.error, 'invalid_grant', JSON.stringify(change));
  const both = await Promise.all([door.redeem(good), door.redeem(good)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 400]);
  assert.equal((await door.redeem(good)).status, 400);
  const [won] = both.filter(({ status }) => status === 200);
  assert.equal((await refresh(door, won?.body.refresh_token)).body.error, 'invalid_grant');

  const later = await tokens(door, visitor);
  assert.equal((await door.redeem(later.redeemed)).status, 400);
  assert.ok(door.issuer.revoked().includes(String(decodeJwt(String(later.body.access_token)).jti)));
  assert.ok(published > 0);
});

test('refresh tokens rotate; one that was used before ends its whole family, access tokens too (RFC 9700 §4.14)', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const visitor = await person(door);
  const other = await tokens(door, visitor, { scope: 'offline_access', prompt: 'consent' });
  const first = await tokens(door, visitor, { scope: 'offline_access', prompt: 'consent' });
  const second = await refresh(door, first.body.refresh_token);
  assert.notEqual(second.body.refresh_token, first.body.refresh_token);
  assert.equal(decodeJwt(String(second.body.access_token)).acr, 'phr');
  const wider = await refresh(door, second.body.refresh_token, { resource: `${door.mcp}/files` });
  assert.equal(wider.body.error, 'invalid_target');

  assert.equal((await refresh(door, first.body.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await refresh(door, second.body.refresh_token)).body.error, 'invalid_grant');
  const ids = [first, second].map(({ body }) => String(decodeJwt(String(body.access_token)).jti));
  assert.deepEqual(
    ids.filter((id) => !door.issuer.revoked().includes(id)),
    [],
  );
  assert.equal((await refresh(door, other.body.refresh_token)).status, 200, 'another consent’s family lives on');
});

test('of two refreshes at one moment one wins, and then neither goes on', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const { body } = await tokens(door, await person(door), { scope: 'offline_access', prompt: 'consent' });
  const both = await Promise.all([refresh(door, body.refresh_token), refresh(door, body.refresh_token)]);
  assert.ok(both.filter(({ status }) => status === 200).length <= 1);
  for (const { body: won } of both)
    if (won.refresh_token) assert.equal((await refresh(door, won.refresh_token)).body.error, 'invalid_grant');
});

test('a client takes its tokens back (RFC 7009), another client cannot', async (t) => {
  verifies('authn.human');
  const own = await openDoor(t);
  const { body } = await tokens(own, await person(own));
  const revoke = (fields: Record<string, string>) =>
    own.issuer.handle({
      method: 'POST',
      url: '/oauth/revoke',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  assert.equal((await revoke({ client_id: 'nobody', token: String(body.refresh_token) })).status, 401);
  assert.equal((await revoke({ client_id: 'stock', token: String(body.refresh_token) })).status, 200);
  assert.equal((await refresh(own, body.refresh_token)).body.error, 'invalid_grant');
  assert.ok(own.issuer.revoked().includes(String(decodeJwt(String(body.access_token)).jti)));
});

test('a code that was asked for with a key is redeemed with that key alone, and its token is bound to it (RFC 9449)', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const visitor = await person(door);
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = await exportJWK(publicKey);
  const jkt = await calculateJwkThumbprint(jwk);
  let nonce: string | undefined;
  const proof = () =>
    new SignJWT({ htm: 'POST', htu: `${door.origin}/oauth/token`, jti: crypto.randomUUID(), ...(nonce && { nonce }) })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt()
      .sign(privateKey);
  const without = await tokens(door, visitor, { dpop_jkt: jkt });
  assert.equal(without.body.error, 'invalid_grant');
  const early = await tokens(door, visitor, { dpop_jkt: jkt }, { dpop: await proof() });
  assert.deepEqual([early.status, early.body.error], [400, 'use_dpop_nonce'], 'RFC 9449 §8');
  ({ nonce } = early);
  assert.equal((await door.redeem(early.redeemed, { dpop: await proof() })).status, 200, 'the code was not used up');
  const once = await proof();
  const bound = await tokens(
    door,
    visitor,
    { dpop_jkt: jkt, scope: 'offline_access', prompt: 'consent' },
    { dpop: once },
  );
  assert.equal(bound.body.token_type, 'DPoP');
  assert.deepEqual(decodeJwt(String(bound.body.access_token)).cnf, { jkt });
  const again = { grant_type: 'refresh_token', refresh_token: String(bound.body.refresh_token) };
  assert.equal((await door.redeem(again)).status, 400, 'without a proof');
  assert.equal((await door.redeem(again, { dpop: once })).status, 400, 'with a proof that was used');
  assert.equal((await door.redeem(again, { dpop: await proof() })).status, 200);
});

test('grants, sessions and passkeys outlive a restart; the disk has no token, code or session that could be presented', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const visitor = await person(door);
  const { body } = await tokens(door, visitor, { scope: 'offline_access', prompt: 'consent' });
  const secrets = [String(body.refresh_token), ...[...visitor.cookies.values()]];
  const disk = ['people.db', 'people.db-wal']
    .map((file) => readFileSync(join(door.stateDir, 'issuer', file), 'latin1'))
    .join('');
  assert.ok(disk.includes('alice'));
  for (const secret of secrets) assert.ok(!disk.includes(secret));

  door.issuer.close();
  const issuer = openIssuer({
    stateDir: door.stateDir,
    issuerUrl: door.origin,
    resources: [door.mcp],
    clients: [{ id: 'stock', name: 'Stock', redirectUris: [door.callback.uri] }],
    now: Date.now,
  });
  const answer = await issuer.handle({
    method: 'POST',
    url: '/oauth/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `client_id=stock&grant_type=refresh_token&refresh_token=${body.refresh_token}`,
  });
  assert.equal(answer.status, 200);
  const later = new Visitor({ origin: door.origin, issuer });
  assert.match((await later.open(door.ask().url)).body, /Sign in to continue/);
  issuer.remove('alice');
  const refused = await issuer.handle({
    method: 'POST',
    url: '/oauth/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `client_id=stock&grant_type=refresh_token&refresh_token=${JSON.parse(answer.body).refresh_token}`,
  });
  assert.equal(refused.status, 400);
  assert.equal(issuer.revoked().length, 2);
  assert.deepEqual(issuer.people(), []);
});
