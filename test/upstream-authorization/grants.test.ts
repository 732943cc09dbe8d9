import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { LeaseWish } from '../../src/contract/zone-link.ts';
import { StateError } from '../../src/control-plane/pki/state-files.ts';
import { Vault } from '../../src/control-plane/secrets/vault.ts';
import { CallerGrants, PersonNeeded } from '../../src/control-plane/upstream-authorization/caller-grants.ts';
import { NotExchangeable } from '../../src/control-plane/upstream-authorization/caller-tokens.ts';
import { NotAuthorized } from '../../src/control-plane/upstream-authorization/fetching.ts';
import type { GrantRules } from '../../src/control-plane/upstream-authorization/grant-rules.ts';
import { GrantStore } from '../../src/control-plane/upstream-authorization/grant-store.ts';
import { KnownIssuers } from '../../src/control-plane/upstream-authorization/known-issuers.ts';
import { openOutbound } from '../../src/gateway/transport/outbound.ts';
import { outboundFetch } from '../../src/main/outbound-fetch.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { callersToken, exchangeIssuer } from './support/exchange-issuer.ts';

const AUDIENCE = 'https://crm.example/mcp';

/** What persons authorize, at an issuer that a test may have lie. */
async function world(t: TestContext, more: Partial<GrantRules> = {}) {
  const issuer = await exchangeIssuer(t);
  issuer.metadata = {
    authorization_endpoint: `${issuer.url}/authorize`,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
  issuer.answer = { issued_token_type: undefined, refresh_token: 'refresh-1', expires_in: 60 };
  const clock = { now: 1_000_000 };
  const stateDir = scratch(t);
  const events: string[] = [];
  const rules: GrantRules = {
    ...{ server: 'crm', url: 'https://crm.example/mcp', issuer: issuer.url, audience: AUDIENCE, clientId: 'gateway' },
    ...{ scopes: ['read'], further: ['write'], dpop: true },
    credential: async (tenant) => ({ secret: `of-${tenant}` }),
    fetch: outboundFetch(openOutbound(), { trustedHost: 'localhost', ca: issuer.ca }),
    ...more,
  };
  const open = () =>
    new CallerGrants({
      store: new GrantStore(new Vault(stateDir, () => clock.now, 'grants')),
      issuers: new KnownIssuers(() => clock.now),
      origin: 'https://localhost:8443',
      rules: () => rules,
      now: () => clock.now,
      report: ({ event }) => void events.push(event),
      visited: () => {},
    });
  const room = { grants: open() };
  const lease = (subject: string, change: Partial<LeaseWish> = {}) =>
    room.grants.lease(rules, { server: 'crm', tenant: 'acme', subject, incident: 'i', isPerson: true, ...change });
  const needed = async (subject: string, change: Partial<LeaseWish> = {}) => {
    const error: unknown = await lease(subject, change).catch((reason) => reason);
    assert.ok(error instanceof PersonNeeded, String(error));
    const visit = room.grants.waiting(error.visit.id);
    assert.ok(visit !== undefined);
    return visit;
  };
  /** From the page to the issuer's answer. */
  const come = async (subject: string, answer: Record<string, string> = {}, change: Partial<LeaseWish> = {}) => {
    const visit = await needed(subject, change);
    const { url, browser } = await room.grants.agree(visit);
    const state = new URL(url).searchParams.get('state') ?? '';
    const came = new URLSearchParams({ code: 'c', state, iss: issuer.url, ...answer });
    return room.grants.back('crm', came, (id) => (id === visit.id ? browser : undefined));
  };
  return { issuer, clock, events, rules, room, open, lease, needed, come, grantsDir: join(stateDir, 'grants') };
}

test('a grant is one person’s and one tenant’s; a workload has none, and the same token for two people is refused (A2)', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, lease, needed, come, room, open } = await world(t);
  await come('alice');
  assert.equal((await lease('alice')).value, 'exchanged-1');
  for (const [subject, change] of [
    ['bob', {}],
    ['alice', { tenant: 'beta' }],
    ['Alice', {}],
  ] as const)
    await needed(subject, change);
  const { isPerson: _, ...robot } = { server: 'crm', tenant: 'acme', subject: 'alice', incident: 'i', isPerson: true };
  await assert.rejects(room.grants.lease({ ...(await world(t)).rules }, robot as LeaseWish), NotExchangeable);
  issuer.answer = { ...issuer.answer, access_token: 'exchanged-1' };
  await assert.rejects(come('bob'), /shared identity/);
  room.grants = open();
  await assert.rejects(come('bob'), /shared identity/, 'after a restart too');
  assert.equal((await lease('alice')).value, 'exchanged-1');
});

test('is renewed once for many calls, bound to its resource; a failure to reach the issuer ends nothing, its no does', async (t) => {
  const { issuer, clock, lease, needed, come, events } = await world(t);
  await come('alice');
  clock.now += 55_000;
  issuer.answer = { ...issuer.answer, refresh_token: 'refresh-2' };
  const values = await Promise.all(Array.from({ length: 20 }, async () => (await lease('alice')).value));
  assert.deepEqual([...new Set(values)], ['exchanged-2']);
  const [, renewal] = issuer.asked;
  assert.equal(issuer.asked.length, 2);
  assert.deepEqual(
    [renewal?.grant_type, renewal?.refresh_token, renewal?.resource],
    ['refresh_token', 'refresh-1', AUDIENCE],
  );
  // What a server refuses just now is no reason to ask the issuer for ever; a while later it is, for all at once.
  await assert.rejects(lease('alice', { refused: 2 }), /just now/);
  clock.now += 6000;
  await Promise.all([1, 2, 3].map(() => lease('alice', { refused: 2 })));
  assert.equal(issuer.asked.length, 3);
  assert.equal(issuer.asked[2]?.refresh_token, 'refresh-2');
  clock.now += 60_000;
  issuer.instead['/token'] = (_, response) => response.writeHead(503).end();
  await assert.rejects(lease('alice'), NotAuthorized);
  delete issuer.instead['/token'];
  assert.equal((await lease('alice')).value, 'exchanged-4', 'it was kept');
  clock.now += 60_000;
  issuer.instead['/token'] = (_, response) =>
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
  await needed('alice');
  assert.deepEqual(events, ['upstream-authorized', 'upstream-ended']);
});

test('what is withdrawn while it is being renewed does not come back', async (t) => {
  const { issuer, clock, lease, come, room, grantsDir } = await world(t);
  await come('alice');
  clock.now += 60_000;
  const asked = Promise.withResolvers<() => void>();
  issuer.instead['/token'] = (_, response) => {
    const body = { access_token: 'late', token_type: 'Bearer', refresh_token: 'r', expires_in: 60 };
    asked.resolve(() => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)));
  };
  const renewing = lease('alice');
  const answer = await asked.promise;
  assert.equal(room.grants.withdraw('alice', 'acme').length, 1);
  answer();
  await assert.rejects(renewing, PersonNeeded);
  assert.deepEqual(readdirSync(grantsDir), ['key']);
});

const lies: Readonly<Record<string, [Record<string, unknown>, RegExp]>> = {
  'a token for another audience': [
    { access_token: callersToken('i', 's', { aud: 'https://other.example' }) },
    /not https:\/\/crm/,
  ],
  'a token of a type that was not asked for': [{ token_type: 'DPoP' }, /of type dpop/],
  'a token that would split a header': [{ access_token: 'a\r\nx: y' }, /none \(RFC 6750/],
};
for (const [name, [answer, message]] of Object.entries(lies))
  test(`keeps no grant of an issuer that gives ${name}`, async (t) => {
    verifies('authn.no-passthrough');
    const { issuer, come, needed, grantsDir } = await world(t);
    issuer.answer = { ...issuer.answer, ...answer };
    await assert.rejects(come('alice'), message);
    await needed('alice');
    assert.deepEqual(readdirSync(grantsDir), ['key']);
  });

test('nobody is sent to an issuer without PKCE, or whose sign-in is not on https; a bound token is not exchanged for a bearer one', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, needed, come, room } = await world(t);
  const usual = issuer.metadata;
  const visit = await needed('alice');
  for (const change of [
    { code_challenge_methods_supported: ['plain'] },
    { code_challenge_methods_supported: undefined },
    { authorization_endpoint: undefined },
    { authorization_endpoint: issuer.url.replace('https', 'http') },
    { issuer: `${issuer.url}/` },
  ]) {
    issuer.metadata = { ...usual, ...change };
    room.grants = (await fresh()).grants;
    await assert.rejects(room.grants.agree(visit), NotAuthorized, JSON.stringify(change));
  }
  issuer.metadata = { ...usual, dpop_signing_alg_values_supported: ['ES256'] };
  room.grants = (await fresh()).grants;
  await assert.rejects(come('alice'), /of type bearer, not dpop/);
  const plain = await world(t, { dpop: false });
  plain.issuer.metadata = { ...plain.issuer.metadata, dpop_signing_alg_values_supported: ['ES256'] };
  await plain.come('alice');
  assert.equal((await plain.lease('alice')).prove, undefined, 'the operator has said that the server takes no other');

  async function fresh() {
    const { open } = await world(t);
    return { grants: open() };
  }
});

test('a further scope is asked for where the operator allows it; what he takes away is not used any more', async (t) => {
  const { lease, needed, come, rules, room } = await world(t);
  await come('alice');
  await assert.rejects(lease('alice', { lacking: 'write admin' }), /"admin".*in neither/);
  assert.deepEqual((await needed('alice', { lacking: 'write' })).scope, ['read', 'write']);
  await lease('alice', { lacking: 'read' });
  await come('alice', {}, { lacking: 'write' });
  const wish = { server: 'crm', tenant: 'acme', subject: 'alice', incident: 'i', isPerson: true } as const;
  await room.grants.lease(rules, wish);
  await assert.rejects(room.grants.lease({ ...rules, further: [] }, wish), PersonNeeded);
  for (const other of [
    { url: 'https://crm2.example' },
    { audience: 'https://b' },
    { issuer: 'https://b' },
    { clientId: 'b' },
  ])
    await assert.rejects(room.grants.lease({ ...rules, ...other }, wish), PersonNeeded, JSON.stringify(other));
});

test('a person comes back within ten minutes, with what the browser was given, and once', async (t) => {
  verifies('authn.no-passthrough');
  const { issuer, clock, needed, room, events } = await world(t);
  const go = async () => {
    const visit = await needed('alice');
    const { url, browser } = await room.grants.agree(visit);
    const state = new URL(url).searchParams.get('state') ?? '';
    return { browser, came: new URLSearchParams({ code: 'c', state, iss: issuer.url }) };
  };
  const first = await go();
  clock.now += 600_000;
  assert.equal(await room.grants.back('crm', first.came, () => first.browser), undefined);
  const second = await go();
  const third = await go();
  assert.equal(await room.grants.back('crm', second.came, () => second.browser), undefined, 'it went once more since');
  assert.equal(await room.grants.back('crm', third.came, () => second.browser), undefined, 'another browser');
  assert.equal(await room.grants.back('crm', third.came, () => third.browser), undefined, 'spent');
  const fourth = await go();
  const both = await Promise.all([1, 2].map(() => room.grants.back('crm', fourth.came, () => fourth.browser)));
  assert.equal(both.filter((visit) => visit !== undefined).length, 1);
  assert.deepEqual(events, ['upstream-foreign-answer', 'upstream-authorized']);
});

test('a grant that was altered on disk, or moved to another person, stops the start', async (t) => {
  verifies('authn.no-passthrough');
  const { come, open, grantsDir } = await world(t);
  await come('alice');
  const [file = ''] = readdirSync(grantsDir).filter((name) => name !== 'key');
  const path = join(grantsDir, file);
  const text = readFileSync(path, 'utf8');
  assert.ok(!text.includes('exchanged-1') && !text.includes('refresh-1'));
  for (const changed of [
    text.replace('"alice"', '"mallory"'),
    text.replace('"acme"', '"other"'),
    text.replace(/"data":"(.)/, (_, first) => `"data":"${first === 'A' ? 'B' : 'A'}`),
  ]) {
    writeFileSync(path, changed);
    assert.throws(open, StateError);
  }
  writeFileSync(path, text);
  open();
});
