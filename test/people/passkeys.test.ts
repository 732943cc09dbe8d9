import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { type Door, openDoor } from './support/door.ts';
import type { Lies } from './support/software-key.ts';
import { Visitor } from './support/visitor.ts';

const alice = { subject: 'alice', tenant: 'acme', groups: ['finance'] };

async function enrolled(door: Door, who = alice): Promise<Visitor> {
  const visitor = new Visitor(door);
  assert.match((await visitor.enrol(door.issuer.invite(who, 900))).body, /Your passkey is ready/);
  return visitor;
}

const why = (door: Door) => door.events.at(-1)?.detail ?? '';

test('nobody enrols without an invitation, with one twice, or with one that has run out', async (t) => {
  verifies('authn.human');
  const clock = { at: Date.now() };
  const door = await openDoor(t, { now: () => clock.at });
  const link = door.issuer.invite(alice, 60);
  assert.equal((await new Visitor(door).open(link.replace(/.{4}$/, 'AAAA'))).status, 404);
  assert.equal((await new Visitor(door).open(link)).status, 200);
  assert.match((await new Visitor(door).enrol(link)).body, /is ready/);
  assert.equal((await new Visitor(door).open(link)).status, 404);

  const late = door.issuer.invite(alice, 60);
  clock.at += 60_000;
  assert.equal((await new Visitor(door).open(late)).status, 404);
});

test('of two who open one invitation at the same time, one enrols', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const link = door.issuer.invite(alice, 900);
  const ends = await Promise.all([1, 2, 3].map(() => new Visitor(door).enrol(link)));
  assert.deepEqual(ends.map(({ status }) => status === 200).sort(), [false, false, true]);
  assert.equal(door.issuer.people()[0]?.passkeys, 1);
});

test('refuses to enrol what was made for another origin, RP, invitation or challenge, or without verifying its user', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const lies: Record<string, Lies> = {
    origin: { origin: 'https://localhost:1' },
    'RP ID': { rpId: 'evil.example' },
    'user verification': { userVerified: false },
    'user presence': { userPresent: false },
    type: { type: 'webauthn.get' },
    challenge: { challenge: 'AAAA' },
  };
  const link = door.issuer.invite(alice, 900);
  for (const [name, lie] of Object.entries(lies)) {
    const shown = await new Visitor(door).enrol(link, lie);
    assert.equal(shown.status, 400, name);
    assert.match(shown.body, /not accepted/, name);
  }
  const other = await new Visitor(door).open(door.issuer.invite({ ...alice, subject: 'bob' }, 900));
  const thief = new Visitor(door);
  await thief.open(link);
  const credential = thief.key.create(other.attribute('data-options'), door.origin);
  assert.equal((await thief.submit({ handle: other.field('handle'), credential })).status, 400);
  assert.deepEqual(door.issuer.people(), []);
});

test('an invitation into another tenant, or of a name that policies could misread, is not written', async (t) => {
  const door = await openDoor(t);
  await enrolled(door);
  assert.throws(() => door.issuer.invite({ ...alice, tenant: 'other' }, 900), /of the tenant acme already/);
  for (const subject of ['', 'a#b', 'a\u202eb', ' alice'])
    assert.throws(() => door.issuer.invite({ ...alice, subject }, 900));
  for (const ttl of [0, 1.5, 86_401]) assert.throws(() => door.issuer.invite(alice, ttl), /ttl/);
});

test('refuses an assertion of another origin, RP, purpose, key or account, unverified, replayed', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const visitor = await enrolled(door);
  const bob = await enrolled(door, { ...alice, subject: 'bob' });
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const lies: Record<string, [Lies, RegExp]> = {
    origin: [{ origin: 'https://localhost:1' }, /origin/],
    scheme: [{ origin: door.origin.replace('https', 'http') }, /origin/],
    'RP ID': [{ rpId: 'evil.example' }, /RP ID/],
    'user verification': [{ userVerified: false }, /[Uu]ser verif/],
    'user presence': [{ userPresent: false }, /[Uu]ser.*present/],
    type: [{ type: 'webauthn.create' }, /type/],
    challenge: [{ challenge: 'AAAA' }, /challenge/],
    signature: [{ key: stranger }, /not verified/],
    'another frame': [{ crossOrigin: true, topOrigin: 'https://evil.example' }, /not what an authenticator/],
    'a frame that is not named': [{ crossOrigin: true }, /not what an authenticator/],
    'unknown key': [{ id: 'A'.repeat(43) }, /unknown passkey/],
    "another one's handle": [{ userHandle: bob.key.handle }, /another account/],
    "another one's id": [{ id: bob.key.id }, /not verified/],
  };
  for (const [name, [lie, reason]] of Object.entries(lies)) {
    const shown = await visitor.assert(await visitor.open(door.ask().url), lie);
    assert.equal(shown.status, 403, name);
    assert.match(why(door), reason, name);
  }

  const first = await visitor.open(door.ask().url);
  const replayed = {
    csrf: first.field('csrf'),
    credential: visitor.key.get(first.attribute('data-options'), door.origin),
  };
  const page = visitor.at;
  assert.match((await visitor.submit(replayed)).body, /Allow/);
  visitor.at = page;
  await visitor.submit(replayed);
  const elsewhere = await visitor.open(door.ask({ prompt: 'login' }).url);
  assert.equal((await visitor.submit({ ...replayed, csrf: elsewhere.field('csrf') })).status, 403);
  assert.match(why(door), /challenge/);
  assert.deepEqual(
    door.issuer.people().map(({ cloned }) => cloned),
    [0, 0],
  );
});

test('a passkey whose counter runs back is a copy: it opens nothing from then on, and the operator sees it', async (t) => {
  verifies('authn.human');
  const door = await openDoor(t);
  const visitor = await enrolled(door);
  assert.match((await visitor.assert(await visitor.open(door.ask().url), { counter: 7 })).body, /Allow/);
  const again = { prompt: 'login' };
  assert.equal((await visitor.assert(await visitor.open(door.ask(again).url), { counter: 7 })).status, 403);
  assert.match(why(door), /counts 7 after 7: copied/);
  assert.equal((await visitor.assert(await visitor.open(door.ask(again).url), { counter: 9 })).status, 403);
  assert.equal(door.issuer.people()[0]?.cloned, 1);
});
