import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Provider } from 'oidc-provider';
import type { TrustedIssuer } from '../../src/contract/bundle.ts';
import { openPki } from '../../src/control-plane/pki/pki.ts';
import { OutboundError, openOutbound } from '../../src/gateway/transport/outbound.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { ecKey, edKey, foreignIssuer, rsaKey, sign } from './support/foreign-issuer.ts';
import { gateway, MCP, ORIGIN, refused } from './support/gateway.ts';

const trusting = (issuer: { url: string; ca: string }, change: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
  issuer: issuer.url,
  ca: issuer.ca,
  tenant: { claim: 'tenant' },
  embedded: false,
  ...change,
});

test('a token of a stock authorization server is accepted by discovery, under its issuer’s name', async (t) => {
  verifies('authn.audience');
  const pki = await openPki(scratch(t), Date.now);
  let serve: ReturnType<Provider['callback']> = () => Promise.resolve();
  const server = createServer(await pki.leaf(['localhost']), (request, response) => void serve(request, response));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const key = ecKey('k');
  const provider = new Provider(url, {
    jwks: { keys: [{ ...key.privateKey.export({ format: 'jwk' }), kid: 'k' }] as never },
    clients: [
      {
        client_id: 'robot',
        client_secret: 'a-secret-of-the-robot-and-nobody-else',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    cookies: { keys: [randomBytes(16).toString('hex')] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, audience) => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  serve = provider.callback();
  const client = await provider.Client.find('robot');
  assert.ok(client);
  const issue = (resource: string) =>
    new provider.ClientCredentials({
      client,
      scope: '',
      resourceServer: new provider.ResourceServer(resource, {
        scope: '',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    } as never).save();

  const { bearer, clock } = gateway(t, [trusting({ url, ca: pki.caPem }, { tenant: { fixed: 'acme' } })]);
  clock.at = Date.now();
  const subject = await bearer(await issue(MCP));
  assert.deepEqual([subject.id, subject.tenant], [`${url}#robot`, 'acme']);
  assert.equal(subject.key, JSON.stringify([url, 'acme', 'robot']));
  await refused(bearer(await issue('https://other.example/mcp')), /another resource/);
});

test('refuses an unknown issuer before anything is fetched', async (t) => {
  const foreign = await foreignIssuer(t);
  const { bearer, claims, fetched } = gateway(t, [trusting(foreign)]);
  const similar = [
    `${foreign.url}/`,
    foreign.url.toUpperCase(),
    'https://attacker.example',
    'http://169.254.169.254',
    '',
  ];
  for (const iss of similar) await refused(bearer(await sign(foreign.key, claims(iss))), /unknown issuer/);
  await refused(bearer(await sign(foreign.key, claims(foreign.url, { iss: undefined }))), /unknown issuer/);
  await refused(bearer(await sign(foreign.key, claims(foreign.url, { iss: [foreign.url] }))), /unknown issuer/);
  assert.deepEqual(fetched, []);
  assert.deepEqual(foreign.requests, []);
  assert.equal((await bearer(await sign(foreign.key, claims(foreign.url)))).id, `${foreign.url}#bob`);
});

test('refuses one issuer’s token under another issuer’s name or key', async (t) => {
  const [one, two] = [await foreignIssuer(t), await foreignIssuer(t)];
  const { bearer, claims, mint } = gateway(t, [trusting(one), trusting(two)]);
  await refused(bearer(await sign(one.key, claims(two.url))), /SIGNATURE/);
  await refused(bearer(await sign(one.key, claims(ORIGIN))), /no single key/);
  const [mine, theirs] = [
    await bearer(await mint()),
    await bearer(await sign(one.key, claims(one.url, { sub: 'alice' }))),
  ];
  assert.notEqual(mine.id, theirs.id);
  assert.notEqual(mine.key, theirs.key);
});

test('refuses an ID token and other JWTs of a foreign issuer that writes no at+jwt', async (t) => {
  const foreign = await foreignIssuer(t);
  const { bearer, claims } = gateway(t, [trusting(foreign, { audience: 'innerkeep' })]);
  const plain = (change: Record<string, unknown>, typ: string | undefined = 'JWT') =>
    sign(foreign.key, claims(foreign.url, { aud: 'innerkeep', ...change }), { typ });
  assert.equal((await bearer(await plain({ jti: undefined, typ: 'Bearer' }))).tokenId, undefined);
  for (const change of [{ nonce: 'n' }, { at_hash: 'h' }, { c_hash: 'h' }, { s_hash: 'h' }]) {
    await refused(bearer(await plain(change)), /ID token/);
  }
  for (const typ of ['ID', 'Refresh', 'Logout']) await refused(bearer(await plain({ typ })), /token of type/);
  for (const typ of ['dpop+jwt', 'JWS', 'logout+jwt']) await refused(bearer(await plain({}, typ)), /typ/);
  await refused(bearer(await plain({ cnf: { 'x5t#S256': 'x'.repeat(43) } })), /bound to a certificate/);
  await refused(bearer(await plain({ tenant: undefined })), /tenant/);
});

test('refuses keys that are weak, for encryption, for another algorithm, or ambiguous', async (t) => {
  const foreign = await foreignIssuer(t);
  const { bearer, claims, clock } = gateway(t, [trusting(foreign)]);
  const [weak, strong, again] = [rsaKey('weak', 1024), rsaKey('strong', 2048), ecKey('first')];
  foreign.keys = [
    weak.publicJwk,
    strong.publicJwk,
    { ...foreign.key.publicJwk, use: 'enc' },
    { kty: 'oct', k: 'AAAA', kid: 'oct' },
  ];
  const good = claims(foreign.url);
  assert.equal((await bearer(await sign(strong, good))).tenant, 'beta');
  assert.equal((await bearer(await sign(strong, good, { alg: 'PS256' }))).tenant, 'beta');
  assert.equal((await bearer(await sign(strong, good, { kid: undefined }))).tenant, 'beta');
  await refused(bearer(await sign(strong, good, { alg: 'RS512' })), /algorithm/);
  await refused(bearer(await sign(foreign.key, good)), /no single key/);
  await refused(bearer(await sign({ ...foreign.key, kid: 'strong' }, good)), /no single key/);
  clock.at += 31_000;
  const edwards = edKey('edwards');
  foreign.keys = [foreign.key.publicJwk, again.publicJwk, edwards.publicJwk];
  await refused(bearer(await sign(again, good)), /no single key/);
  await refused(bearer(await sign(again, good, { kid: undefined })), /no single key/);
  assert.equal((await bearer(await sign(edwards, good))).tenant, 'beta');
});

/** Milliseconds that the outbound client waits for a whole answer. */
const PATIENCE = 3000;

test('refuses metadata of another issuer (RFC 8414 §3.3), and what is not its own to serve', async (t) => {
  const foreign = await foreignIssuer(t);
  const { bearer, claims, clock } = gateway(t, [trusting(foreign)], { deadline: PATIENCE });
  const token = await sign(foreign.key, claims(foreign.url, { exp: claims('').exp + 3600 }));
  const attempt = async (detail: RegExp) => {
    await refused(bearer(token), detail);
    clock.at += 31_000;
  };
  foreign.metadata = { issuer: 'https://attacker.example' };
  await attempt(/metadata of another issuer/);
  foreign.metadata = { issuer: `${foreign.url}/` };
  await attempt(/metadata of another issuer/);
  for (const uri of [
    'http://attacker.example/',
    'file:///etc/passwd',
    'https://169.254.169.254/',
    'https://[::1]/',
    'x',
    7,
  ]) {
    foreign.metadata = { jwks_uri: uri };
    await attempt(/not an https URL|not public|http on another|without jwks_uri/);
  }
  foreign.metadata = { jwks_uri: 'https://127.0.0.1:1/' };
  await attempt(/address 127.0.0.1 is not public/);
  foreign.metadata = {};
  foreign.instead['/keys'] = (_, response) => response.writeHead(302, { location: `${foreign.url}/elsewhere` }).end();
  await attempt(/HTTP 302/);
  assert.ok(!foreign.requests.includes('/elsewhere'));
  foreign.instead['/keys'] = (_, response) => response.end(' '.repeat(300 * 1024));
  await attempt(/larger than 262144 bytes/);
  foreign.instead['/keys'] = (_, response) => void response.writeHead(200).write('{"keys":');
  await attempt(/no answer in 3000 ms/);
  foreign.instead['/keys'] = (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
  await attempt(/encoded answer/);
  for (const body of [
    '',
    '[]',
    '{"keys":{}}',
    '{"keys":[]}',
    '{"keys":[],"keys":[]}',
    `{"keys":[${'{},'.repeat(64)}{}]}`,
  ]) {
    foreign.instead['/keys'] = (_, response) => response.end(body);
    await attempt(/could not be fetched/);
  }
  foreign.instead = {};
  assert.equal((await bearer(token)).tenant, 'beta');
});

test('refuses an issuer whose certificate is not of the authority that was named', async (t) => {
  const [foreign, other] = [await foreignIssuer(t), await foreignIssuer(t)];
  const { bearer, claims } = gateway(t, [trusting({ url: foreign.url, ca: other.ca })]);
  await refused(bearer(await sign(foreign.key, claims(foreign.url))), /could not be fetched/);
  assert.deepEqual(foreign.requests, []);
});

test('a rotated key is found at once, an unknown one asked for once in 30 seconds, by many callers at the same time', async (t) => {
  const foreign = await foreignIssuer(t);
  const { bearer, claims, clock } = gateway(t, [trusting(foreign)]);
  const fetches = () => foreign.requests.filter((path) => path === '/keys').length;
  const token = await sign(foreign.key, claims(foreign.url));
  await Promise.all(Array.from({ length: 20 }, () => bearer(token)));
  assert.equal(fetches(), 1);
  const next = ecKey('next');
  foreign.keys = [next.publicJwk];
  const fresh = await sign(next, claims(foreign.url));
  await refused(bearer(fresh), /no single key/);
  assert.equal(fetches(), 1);
  clock.at += 30_000;
  await Promise.all(Array.from({ length: 20 }, () => bearer(fresh)));
  assert.equal(fetches(), 2);
  await refused(bearer(token), /no single key/);
  for (let at = 0; at < 20; at++)
    await refused(bearer(await sign(ecKey(`u${at}`), claims(foreign.url))), /no single key/);
  assert.equal(fetches(), 2);
});

test('a cached verdict dies within ten minutes of its key’s leaving the set of a foreign issuer', async (t) => {
  const foreign = await foreignIssuer(t);
  const { bearer, claims, clock } = gateway(t, [trusting(foreign)]);
  const token = await sign(foreign.key, claims(foreign.url, { exp: claims('').exp + 7200 }));
  await bearer(token);
  foreign.keys = [ecKey('next').publicJwk];
  clock.at += 10 * 60_000 - 1;
  assert.equal((await bearer(token)).tenant, 'beta');
  clock.at += 1;
  await refused(bearer(token), /no single key/);
});

test('while the issuer is away its last keys serve for an hour, then nothing of it is believed', async (t) => {
  const foreign = await foreignIssuer(t);
  const { bearer, claims, clock } = gateway(t, [trusting(foreign)]);
  const token = await sign(foreign.key, claims(foreign.url, { exp: claims('').exp + 7200 }));
  await bearer(token);
  foreign.instead['/keys'] = (_, response) => response.writeHead(500).end();
  clock.at += 11 * 60_000;
  assert.equal((await bearer(token)).tenant, 'beta');
  clock.at += 48 * 60_000;
  assert.equal((await bearer(token)).tenant, 'beta');
  clock.at += 60_000;
  await refused(bearer(token), /HTTP 500/);
  foreign.instead = {};
  clock.at += 31_000;
  assert.equal((await bearer(token)).tenant, 'beta');
});

test('the outbound client refuses private addresses in every spelling, and names that lead to them', async () => {
  const get = openOutbound(60_000);
  const options = { trustedHost: 'idp.example', ca: undefined };
  const spellings = [
    '10.0.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '0x7f.1',
    '2130706433',
    '0177.0.0.1',
    '0',
    '192.168.1.1',
  ];
  const ipv6 = [
    '[::1]',
    '[::ffff:10.0.0.1]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[64:ff9b::a00:1]',
    '[2002:a00:1::]',
    '[::]',
  ];
  for (const host of [...spellings, ...ipv6]) {
    await assert.rejects(
      get(`https://${host}/`, options),
      (error) => error instanceof OutboundError && /not public/.test(error.message),
    );
  }
  for (const host of ['localhost', 'localhost.']) {
    await assert.rejects(get(`https://${host}/`, options), /not allowed|ENOTFOUND/);
  }
  await assert.rejects(get('http://idp.example/', options), /http on another host/);
  await assert.rejects(get('https://user:pass@idp.example/', options), /credentials/);
  await assert.rejects(get('http://localhost:1/', { ...options, trustedHost: 'localhost' }), /ECONNREFUSED/);
});
