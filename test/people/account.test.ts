import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Upstreams } from '../../src/control-plane/issuer/people/people.ts';
import { verifies } from '../support/verifies.ts';
import { type Door, openDoor } from './support/door.ts';
import { Visitor } from './support/visitor.ts';

const ACCOUNT = '/oauth/account';

async function person(door: Door, subject: string): Promise<Visitor> {
  const visitor = new Visitor(door);
  await visitor.enrol(door.issuer.invite({ subject, tenant: 'acme', groups: [] }, 900));
  return visitor;
}

async function signedIn(door: Door, visitor: Visitor) {
  const { url, verifier } = door.ask({ scope: 'mcp offline_access', prompt: 'consent' });
  const code = String((await visitor.allow(url)).get('code'));
  const redirect = { redirect_uri: door.callback.uri, code_verifier: verifier };
  const { body } = await door.redeem({ grant_type: 'authorization_code', code, ...redirect });
  return { refresh: String(body.refresh_token), jti: String(decodeJwt(String(body.access_token)).jti) };
}

test('who signs out everywhere ends every client’s tokens and every browser’s session, and nobody else’s', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const [alice, bob] = [await person(door, 'alice'), await person(door, 'bob')];
  const [hers, his] = [await signedIn(door, alice), await signedIn(door, bob)];
  const shown = await alice.assert(await alice.open(ACCOUNT));
  assert.match(shown.body, /alice/);
  assert.match(shown.body, /stock/);
  const fields = { pass: shown.field('pass'), subject: 'alice', tenant: 'acme' };
  for (const lie of [{ subject: 'bob' }, { tenant: 'beta' }, { pass: 'x' }])
    assert.equal(
      (await bob.open(ACCOUNT).then(() => bob.submit({ ...fields, ...lie }))).status,
      403,
      JSON.stringify(lie),
    );
  alice.at = ACCOUNT;
  assert.equal((await alice.submit(fields, { origin: 'https://evil.example' })).status, 403);
  assert.deepEqual(door.issuer.revoked(), []);
  assert.match((await alice.submit(fields)).body, /signed out/);
  assert.deepEqual(door.issuer.revoked(), [hers.jti]);
  const renew = (token: string) => door.redeem({ grant_type: 'refresh_token', refresh_token: token });
  assert.deepEqual([(await renew(hers.refresh)).body.error, (await renew(his.refresh)).status], ['invalid_grant', 200]);
  assert.match((await alice.open(door.ask().url)).body, /data-ceremony/, 'her browser has to sign in again');
});

test('a person sees his own authorizations at servers, and takes back one of those', async (t) => {
  const grant = (subject: string, server: string) => ({
    ...{ subject, tenant: 'acme', server, url: 'u', audience: 'a', clientId: 'c', scope: ['<b>'], since: 0 },
    issuer: `https://idp.${server}.example`,
  });
  const withdrawn: unknown[] = [];
  const upstreams: Upstreams = {
    waiting: () => undefined,
    refuse: () => {},
    agree: () => Promise.reject(new Error('not asked for')),
    back: async () => undefined,
    list: () => [grant('alice', 'crm'), grant('bob', 'mail')],
    withdraw: (...asked) => {
      withdrawn.push(asked);
      return [];
    },
  };
  const door = await openDoor(t, { upstreams });
  const alice = await person(door, 'alice');
  const shown = await alice.assert(await alice.open(ACCOUNT));
  assert.match(shown.body, /idp\.crm\.example/);
  assert.ok(
    !shown.body.includes('idp.mail.example') && !shown.body.includes('<b>&lt;') && shown.body.includes('&lt;b&gt;'),
  );
  await alice.submit({ pass: shown.field('pass'), subject: 'alice', tenant: 'acme', server: 'crm' });
  assert.deepEqual(withdrawn, [['alice', 'acme', 'crm']]);
});

test('shows nothing without a passkey for this very page: not for a sign-in’s answer, nor for one that was used', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const alice = await person(door, 'alice');
  const shown = await alice.open(ACCOUNT);
  const login = await alice.open(door.ask().url);
  const other = alice.key.get(login.attribute('data-options'), door.origin);
  alice.at = ACCOUNT;
  assert.equal((await alice.submit({ csrf: shown.field('csrf'), credential: other })).status, 403);
  const own = alice.key.get(shown.attribute('data-options'), door.origin);
  assert.equal((await alice.submit({ csrf: 'x', credential: own })).status, 403);
  assert.equal((await alice.submit({ csrf: shown.field('csrf'), credential: own })).status, 200);
  assert.equal((await alice.submit({ csrf: shown.field('csrf'), credential: own })).status, 403);
});
