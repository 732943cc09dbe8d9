import assert from 'node:assert/strict';
import { generateKeyPairSync, hash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { decodeProtectedHeader, importJWK, type JWK, jwtVerify } from 'jose';
import type { LeaseWish } from '../../src/contract/zone-link.ts';
import {
  CallerTokens,
  type ExchangeRules,
  NotExchangeable,
} from '../../src/control-plane/upstream-authorization/caller-tokens.ts';
import { NotAuthorized } from '../../src/control-plane/upstream-authorization/fetching.ts';
import { KnownIssuers } from '../../src/control-plane/upstream-authorization/known-issuers.ts';
import { openOutbound } from '../../src/gateway/transport/outbound.ts';
import { outboundFetch } from '../../src/main/outbound-fetch.ts';
import { verifies } from '../support/verifies.ts';
import { callersToken, exchangeIssuer } from './support/exchange-issuer.ts';

const AUDIENCE = 'https://crm.example';

async function world(t: TestContext, more: Partial<ExchangeRules> = {}) {
  const issuer = await exchangeIssuer(t);
  let now = 1_000_000;
  const tokens = new CallerTokens(() => now, new KnownIssuers(() => now));
  const rules: ExchangeRules = {
    url: 'https://crm.example/mcp',
    dpop: true,
    issuer: issuer.url,
    audience: AUDIENCE,
    scope: 'crm.read',
    trusts: [],
    clientId: 'gateway',
    credential: async (tenant) => ({ secret: `of-${tenant}` }),
    fetch: outboundFetch(openOutbound(), { trustedHost: 'localhost', ca: issuer.ca }),
    ...more,
  };
  const wish = (subject: string, change: Partial<LeaseWish> = {}): LeaseWish => ({
    ...{ server: 'crm', tenant: 'acme', subject, incident: 'i', presented: callersToken(issuer.url, subject) },
    ...change,
  });
  const lease = (subject: string, change: Partial<LeaseWish> = {}) => tokens.lease(rules, wish(subject, change));
  const pass = (milliseconds: number) => {
    now += milliseconds;
  };
  return { issuer, lease, pass };
}

test('a caller’s token becomes one for the server’s audience alone, by the tenant’s own client, once for many calls', async (t) => {
  verifies('authn.no-passthrough', 'authn.audience');
  const { issuer, lease } = await world(t);
  const [one, two] = await Promise.all([lease('alice'), lease('alice')]);
  assert.deepEqual([one.value, two.value, (await lease('alice')).value], ['exchanged-1', 'exchanged-1', 'exchanged-1']);
  const [asked] = issuer.asked;
  assert.equal(issuer.asked.length, 1);
  assert.equal(asked?.subject_token, callersToken(issuer.url, 'alice'));
  assert.deepEqual(
    [asked?.audience, asked?.resource, asked?.scope, asked?.by],
    [AUDIENCE, AUDIENCE, 'crm.read', 'gateway:of-acme'],
  );
});

test('no two callers ever have one token, however many ask at once; nor two tokens of one caller (A2)', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, lease, pass } = await world(t);
  const owners = new Map<string, string>();
  for (let round = 0; round < 3; round++) {
    const callers = ['alice', 'bob'].flatMap((subject) => ['acme', 'rival'].map((tenant) => ({ subject, tenant })));
    const many = callers.flatMap((caller) => Array.from({ length: 20 }, () => caller));
    const leases = await Promise.all(
      many.map(async ({ subject, tenant }) => [`${subject} of ${tenant}`, (await lease(subject, { tenant })).value]),
    );
    for (const [who = '', value = ''] of leases) {
      assert.equal(owners.get(value) ?? who, who);
      owners.set(value, who);
    }
    // Past the end of what was given.
    pass(300_000);
  }
  assert.equal(issuer.asked.length, 12);
  const before = await lease('alice');
  const other = callersToken(issuer.url, 'alice', { acr: 'low' });
  assert.notEqual((await lease('alice', { presented: other })).value, before.value);
});

test('refuses an issuer that gives two callers the same token: a shared identity is nobody’s (A2)', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, lease } = await world(t);
  issuer.answer = { access_token: 'the-one-for-all' };
  await lease('alice');
  await assert.rejects(lease('bob'), /the token of another caller/);
  await assert.rejects(lease('alice', { tenant: 'rival' }), /the token of another caller/);
});

test('shows the issuer no token of another issuer that it was not declared to take, and none where there is none', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, lease } = await world(t, { trusts: ['https://trusted.example'] });
  for (const presented of [callersToken('https://other.example', 'alice'), 'opaque', callersToken('', 'alice')])
    await assert.rejects(lease('alice', { presented }), NotExchangeable);
  await assert.rejects(lease('alice', { presented: undefined } as never), NotExchangeable);
  assert.deepEqual(issuer.requests, []);
  await lease('alice', { presented: callersToken('https://trusted.example', 'alice') });
  assert.equal(issuer.asked.length, 1);
});

test('a token ends with what it was made from, and one that the server refuses is made anew, though not at once', async (t) => {
  const { issuer, lease, pass } = await world(t);
  const presented = callersToken(issuer.url, 'alice', { exp: 1060 });
  assert.equal((await lease('alice', { presented })).until, 1_060_000);
  await assert.rejects(lease('alice', { presented, refused: 1 }), /just now/);
  pass(6000);
  const both = await Promise.all([1, 2].map(() => lease('alice', { presented, refused: 1 })));
  assert.deepEqual(
    both.map(({ value }) => value),
    ['exchanged-2', 'exchanged-2'],
    'another call had it made anew',
  );
  pass(45_000);
  assert.equal((await lease('alice', { presented })).value, 'exchanged-3');
  assert.equal(issuer.requests.filter((path) => path.startsWith('/.well-known')).length, 1);
});

test('says who we are by a signed assertion for that issuer alone, where the client has a key', async (t) => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = JSON.stringify(pair.privateKey.export({ format: 'jwk' }));
  const { issuer, lease } = await world(t, { credential: async () => ({ key }) });
  issuer.metadata = { token_endpoint_auth_methods_supported: ['private_key_jwt'] };
  await lease('alice');
  const { payload } = await jwtVerify(issuer.asked[0]?.client_assertion ?? '', pair.publicKey, {
    audience: issuer.url,
  });
  assert.deepEqual([payload.iss, payload.sub], ['gateway', 'gateway']);
});

const other = callersToken('https://idp', 'alice', { aud: 'https://payments.example' });
const answers: readonly [string, Record<string, unknown>, RegExp][] = [
  ['a token for another audience', { access_token: other }, /a token for https:\/\/payments/],
  ['no access token', { issued_token_type: 'urn:ietf:params:oauth:token-type:id_token' }, /no access token/],
  ['a token of a type that was not asked for', { token_type: 'N_A' }, /gave no token/],
  ['a token that would split a header', { access_token: 'x\r\nhost: evil' }, /a token that is none/],
  ['an endless token', { access_token: 'x'.repeat(9000) }, /a token that is none/],
];
for (const [what, answer, reason] of answers)
  test(`refuses ${what}`, async (t) => {
    verifies('authn.no-passthrough');
    const { issuer, lease } = await world(t);
    issuer.answer = answer;
    await assert.rejects(
      lease('alice'),
      (error: Error) => error instanceof NotAuthorized && reason.test(error.message),
    );
    issuer.answer = {};
    assert.match((await lease('alice')).value, /^exchanged/);
  });

test('refuses the caller’s own token in the place of an exchanged one', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, lease } = await world(t);
  issuer.answer = { access_token: callersToken(issuer.url, 'alice') };
  await assert.rejects(lease('alice'), /own token back/);
});

const PLACE = '/.well-known/oauth-authorization-server';
const sources: readonly [string, (issuer: Awaited<ReturnType<typeof exchangeIssuer>>) => void, RegExp][] = [
  [
    'of another issuer',
    (issuer) => void Object.assign(issuer.metadata, { issuer: 'https://evil.example' }),
    /is the metadata of/,
  ],
  [
    'of another spelling',
    (issuer) => void Object.assign(issuer.metadata, { issuer: `${issuer.url}/` }),
    /is the metadata of/,
  ],
  [
    'that redirects',
    (issuer) => {
      issuer.instead[PLACE] = (_, response) => response.writeHead(302, { location: '/elsewhere' }).end();
    },
    /HTTP status 302/,
  ],
  [
    'without an end',
    (issuer) => {
      issuer.instead[PLACE] = (_, response) => response.writeHead(200).end(' '.repeat(300_000));
    },
    /larger than/,
  ],
  [
    'whose token endpoint is a metadata service',
    (issuer) => void Object.assign(issuer.metadata, { token_endpoint: 'https://169.254.169.254/token' }),
    /169\.254\.169\.254 is not public/,
  ],
  [
    'whose token endpoint is in an inner network',
    (issuer) => void Object.assign(issuer.metadata, { token_endpoint: 'https://10.0.0.7/token' }),
    /10\.0\.0\.7 is not public/,
  ],
  [
    'whose token endpoint is a file',
    (issuer) => void Object.assign(issuer.metadata, { token_endpoint: 'file:///etc/passwd' }),
    /no URL/,
  ],
];
for (const [what, change, reason] of sources)
  test(`shows a caller’s token to no issuer with metadata ${what}`, async (t) => {
    verifies('authn.no-passthrough');
    const { issuer, lease } = await world(t);
    change(issuer);
    await assert.rejects(
      lease('alice'),
      (error: Error) => error instanceof NotAuthorized && reason.test(error.message),
    );
    assert.deepEqual(issuer.asked, []);
  });

test('a token is bound to a key of ours where the issuer can do that, and each proof is for the server alone (RFC 9449)', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, lease } = await world(t);
  issuer.metadata = { dpop_signing_alg_values_supported: ['ES256'] };
  await assert.rejects(lease('alice'), /of type bearer, not dpop/, 'a bearer one in its place is a downgrade');
  issuer.answer = { token_type: 'DPoP' };
  const { value, prove } = await lease('alice');
  const proof = await prove?.('POST', 'fresh');
  const { jwk, typ } = decodeProtectedHeader(String(proof));
  assert.ok(jwk !== undefined && !('d' in jwk) && typ === 'dpop+jwt');
  const { payload } = await jwtVerify(String(proof), await importJWK(jwk as JWK, 'ES256'));
  const ath = hash('sha256', value, 'base64url');
  assert.deepEqual(
    [payload.htm, payload.htu, payload.ath, payload.nonce],
    ['POST', 'https://crm.example/mcp', ath, 'fresh'],
  );
  assert.equal(new Set(await Promise.all([1, 2, 3].map(() => prove?.('POST', undefined)))).size, 3);
});
