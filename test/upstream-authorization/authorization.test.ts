import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { terminalBrowser } from '../../src/cli/browser.ts';
import { challenges, oauthChallenge } from '../../src/contract/challenges.ts';
import { PersonalAuthorization } from '../../src/control-plane/upstream-authorization/authorization.ts';
import { NotAuthorized } from '../../src/control-plane/upstream-authorization/fetching.ts';
import type { KnownClient } from '../../src/control-plane/upstream-authorization/registration.ts';
import { openOutbound } from '../../src/gateway/transport/outbound.ts';
import { outboundFetch } from '../../src/main/outbound-fetch.ts';
import { verifies } from '../support/verifies.ts';

/** A server and its issuer in one, and a person who agrees to everything. */
async function world(t: TestContext, preRegistered?: KnownClient) {
  const said = { resource: {} as object, issuer: {} as object, back: {} as Record<string, string> };
  const requests: string[] = [];
  let url = '';
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', url);
    requests.push(pathname);
    for await (const _ of request);
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (pathname === '/.well-known/oauth-protected-resource/mcp')
      return json({ resource: `${url}/mcp`, authorization_servers: [url], ...said.resource });
    if (pathname === '/.well-known/oauth-authorization-server')
      return json({
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        registration_endpoint: `${url}/register`,
        code_challenge_methods_supported: ['S256'],
        token_endpoint_auth_methods_supported: ['none'],
        authorization_response_iss_parameter_supported: true,
        ...said.issuer,
      });
    if (pathname === '/register') return json({ client_id: 'registered' }, 201);
    if (pathname === '/token') return json({ access_token: `token-${requests.length}`, token_type: 'Bearer' });
    if (pathname !== '/authorize') return response.writeHead(404).end();
    const back = new URL(String(searchParams.get('redirect_uri')));
    back.search = String(
      new URLSearchParams({ code: 'c', state: String(searchParams.get('state')), iss: url, ...said.back }),
    );
    response.writeHead(302, { location: back.href }).end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const authorization = new PersonalAuthorization({
    server: `${url}/mcp`,
    fetch: outboundFetch(openOutbound(), { trustedHost: '127.0.0.1', ca: undefined }),
    preRegistered,
    document: undefined,
    browser: () => terminalBrowser((address) => void fetch(address).then((answer) => answer.text())),
  });
  t.after(async () => {
    await authorization.close();
    server.closeAllConnections();
    server.close();
  });
  return { said, requests, url, authorization };
}

const refused = (reason: RegExp) => (error: Error) => error instanceof NotAuthorized && reason.test(error.message);

test('a server that asks for scope after scope gets three grants, and no more', async (t) => {
  verifies('authn.no-passthrough');
  const { authorization, requests } = await world(t);
  const more = (scope: string) => authorization.answer(403, `Bearer error="insufficient_scope", scope="${scope}"`);
  assert.equal(await authorization.answer(401, 'Bearer'), true);
  assert.equal(await more('a'), true);
  assert.equal(await more('a'), false);
  assert.equal(await more('b'), true);
  await assert.rejects(more('c'), refused(/again and again/));
  assert.equal(requests.filter((path) => path === '/token').length, 3);
});

test('a server that answers 401 whatever it is shown gets three grants, and no more', async (t) => {
  verifies('authn.no-passthrough');
  const { authorization } = await world(t);
  for (const _ of [1, 2, 3]) assert.equal(await authorization.answer(401, undefined), true);
  await assert.rejects(authorization.answer(401, undefined), refused(/again and again/));
});

type World = Awaited<ReturnType<typeof world>>;
const lies: readonly [string, (world: World) => string | undefined, RegExp][] = [
  ['metadata at another origin', () => 'Bearer resource_metadata="https://evil.example/prm"', /not at its own/],
  [
    'another resource',
    ({ said }) => void Object.assign(said.resource, { resource: 'https://bank.example/mcp' }),
    /RFC 9728/,
  ],
  [
    'a resource beside its own path',
    ({ said, url }) => void Object.assign(said.resource, { resource: `${url}/mc` }),
    /RFC 9728/,
  ],
  [
    'an issuer in an inner network',
    ({ said }) => void Object.assign(said.resource, { authorization_servers: ['https://10.1.2.3'] }),
    /10\.1\.2\.3 is not public/,
  ],
  [
    'an issuer that is a metadata service',
    ({ said }) => void Object.assign(said.resource, { authorization_servers: ['http://169.254.169.254'] }),
    /http on another host than loopback/,
  ],
  [
    'an issuer without PKCE',
    ({ said }) => void Object.assign(said.issuer, { code_challenge_methods_supported: ['plain'] }),
    /PKCE/,
  ],
  [
    'a page that is a program',
    ({ said }) => void Object.assign(said.issuer, { authorization_endpoint: 'javascript:alert(1)' }),
    /authorization_endpoint is no URL/,
  ],
  ['a scope with a quote in it', () => 'Bearer scope="a\\"b"', /no.*scope|scope that is none/],
  [
    'another issuer in the answer (mix-up)',
    ({ said }) => void Object.assign(said.back, { iss: 'https://evil.example' }),
    /iss/,
  ],
];
for (const [what, lie, reason] of lies)
  test(`refuses a server that says: ${what}`, async (t) => {
    verifies('authn.no-passthrough');
    const made = await world(t);
    const challenge = lie(made) ?? 'Bearer';
    await assert.rejects(made.authorization.answer(401, challenge), (error: Error) => reason.test(error.message));
    assert.equal(made.requests.includes('/token'), false);
    assert.deepEqual(await made.authorization.headers('POST'), []);
  });

test('what one issuer knows us by is shown to no other that a server names', async (t) => {
  verifies('authn.no-passthrough');
  const client = { issuer: 'https://idp.example', id: 'gateway', secret: 'of-idp' };
  const { authorization, requests } = await world(t, client);
  await assert.rejects(authorization.answer(401, 'Bearer'), refused(/is of https:\/\/idp\.example/));
  for (const path of ['/authorize', '/register', '/token']) assert.equal(requests.includes(path), false);
});

test('a visit without the state of the request is nobody’s answer', async () => {
  const browser = await terminalBrowser(() => {});
  try {
    const came = browser.visit('https://idp.example/authorize', 'the-state');
    for (const query of ['code=evil', 'code=evil&state=other', 'code=evil&state=the-state&state=the-state'])
      assert.equal((await fetch(`${browser.redirectUri}?${query}`)).status, 404);
    assert.equal((await fetch(`${browser.redirectUri}?code=good&state=the-state`)).status, 200);
    assert.equal((await came).get('code'), 'good');
    assert.equal((await fetch(`${browser.redirectUri}?code=late&state=the-state`)).status, 404);
  } finally {
    browser.close();
  }
});

test('reads challenges as RFC 9110 §11.6.1 writes them, and nothing out of anything else', () => {
  const found = challenges(
    'Basic dGVzdA==, Bearer realm="a, \\"b\\"", scope=x , DPoP algs="ES256", error = use_dpop_nonce',
  );
  assert.deepEqual(
    found.map(({ scheme, params }) => [scheme, Object.fromEntries(params)]),
    [
      ['basic', {}],
      ['bearer', { realm: 'a, "b"', scope: 'x' }],
      ['dpop', { algs: 'ES256', error: 'use_dpop_nonce' }],
    ],
  );
  const value = fc.string({ unit: fc.constantFrom(...'ab",\\ =;DPoP Bearer'), maxLength: 24 });
  fc.assert(
    fc.property(value, value, (first, second) => {
      const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
      const field = `Bearer scope=${quoted(first)}, resource_metadata=${quoted(second)}`;
      const { scheme, params } = oauthChallenge(field) ?? {};
      assert.deepEqual([scheme, params?.get('scope'), params?.get('resource_metadata')], ['bearer', first, second]);
    }),
  );
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => challenges(text).length <= text.length + 1));
});
