import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { NoSecret, type SecretName } from '../../src/contract/secret-store.ts';
import { Leases } from '../../src/control-plane/secrets/leases.ts';
import { valueFault } from '../../src/control-plane/secrets/names.ts';
import { Vault } from '../../src/control-plane/secrets/vault.ts';
import { embeddedStore } from '../../src/drivers/secret-store/embedded.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { SECRET, TestClock } from './support.ts';

const alice: SecretName = { ref: 'notes-api', tenant: 'acme', subject: 'alice' };
const others: readonly SecretName[] = [
  { ...alice, subject: 'bob' },
  { ...alice, tenant: 'rival' },
  { ...alice, ref: 'other-api' },
  { ...alice, subject: undefined },
  { ...alice, subject: 'https://idp.example#alice' },
];

suite('the embedded vault', () => {
  test('gives the newest version of exactly the name that was asked for', (t) => {
    verifies('secrets.injection');
    const vault = new Vault(scratch(t), Date.now);
    assert.deepEqual([vault.put(alice, 'the-first'), vault.put(alice, SECRET)], [1, 2]);
    assert.deepEqual(vault.newest(alice), { version: 2, value: SECRET });
    for (const other of others) assert.equal(vault.newest(other), undefined, JSON.stringify(other));
    for (const [index, other] of others.entries()) vault.put(other, `of-another-${index}`);
    assert.equal(vault.newest(alice)?.value, SECRET);
  });

  test('nothing on disk shows a value, and nobody else may read it', (t) => {
    const state = scratch(t);
    new Vault(state, Date.now).put(alice, SECRET);
    const directory = join(state, 'secrets');
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const file of readdirSync(directory)) {
      assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600);
      const text = readFileSync(join(directory, file), 'utf8');
      for (const form of [SECRET, Buffer.from(SECRET).toString('base64url')]) assert.equal(text.includes(form), false);
    }
  });

  test('refuses a version that was altered, moved to another name, or sealed with another key', (t) => {
    verifies('secrets.injection');
    const state = scratch(t);
    const vault = new Vault(state, Date.now);
    const bob = others[0] as SecretName;
    vault.put(alice, SECRET);
    const [ofAlice = ''] = sealedIn(state);
    vault.put(bob, 'of-bob-and-nobody-else');
    const ofBob = sealedIn(state).find((file) => file !== ofAlice) ?? '';
    const before = readFileSync(ofAlice, 'utf8');
    const parsed = JSON.parse(before);
    const altered = [
      { ...parsed, data: flipped(parsed.data) },
      { ...parsed, tag: flipped(parsed.tag) },
      { ...parsed, tag: parsed.tag.slice(0, 6) },
      { ...parsed, nonce: flipped(parsed.nonce) },
      { ...parsed, version: 2 },
      { ...parsed, created: '2020-01-01T00:00:00.000Z' },
      { ...parsed, subject: 'bob' },
      { ...parsed, more: 1 },
      'no JSON',
    ];
    for (const one of altered) {
      writeFileSync(ofAlice, typeof one === 'string' ? one : JSON.stringify(one));
      assert.throws(() => vault.newest(alice), { exitCode: 3 }, JSON.stringify(one));
    }
    copyFileSync(ofBob, ofAlice);
    assert.throws(() => vault.newest(alice), { exitCode: 3 });
    // Also when the file itself says the right name.
    writeFileSync(ofAlice, JSON.stringify({ ...JSON.parse(readFileSync(ofBob, 'utf8')), subject: 'alice' }));
    assert.throws(() => vault.newest(alice), { exitCode: 3 });
    writeFileSync(ofAlice, before);
    assert.equal(vault.newest(alice)?.value, SECRET);
    writeFileSync(join(state, 'secrets/key'), `${Buffer.alloc(32).toString('base64url')}\n`);
    assert.throws(() => new Vault(state, Date.now).newest(alice), { exitCode: 3 });
  });

  test('does not start with files that are open to others, or whose key has gone', (t) => {
    const state = scratch(t);
    new Vault(state, Date.now).put(alice, SECRET);
    const key = join(state, 'secrets/key');
    chmodSync(key, 0o644);
    assert.throws(() => new Vault(state, Date.now), /open to other users/);
    rmSync(key);
    assert.throws(() => new Vault(state, Date.now), /is missing, but what was sealed with it is there/);
  });

  test('two that write at once write two versions', async (t) => {
    const state = scratch(t);
    const [one, other] = [new Vault(state, Date.now), new Vault(state, Date.now)];
    for (let n = 0; n < 5; n++) for (const vault of [one, other]) vault.put(alice, `value-number-${n}`);
    assert.equal(one.newest(alice)?.version, 10);
    assert.deepEqual(
      one.list().map(({ versions, ...name }) => [name, versions.length]),
      [[alice, 10]],
    );
    assert.deepEqual([one.remove(alice), one.remove(alice), other.list()], [true, false, []]);
  });

  test('a value has to be able to stand in a header, and to be known again', () => {
    for (const value of [SECRET, 'a b c d e', 'x'.repeat(4096)]) assert.equal(valueFault(value), undefined);
    for (const value of [
      '',
      'short',
      'with\nline',
      'with\r\nInjected: yes',
      'tab\there',
      'ümläut-123',
      ' padded-1',
      'two  spaces',
      'x'.repeat(4097),
      'nul\0-1234',
    ])
      assert.notEqual(valueFault(value), undefined, JSON.stringify(value));
  });
});

suite('leases', () => {
  function book(state: string, wanted: ConstructorParameters<typeof Leases>[0]['wanted']) {
    const clock = new TestClock();
    const vault = new Vault(state, () => clock.now());
    const faults: unknown[] = [];
    const store = embeddedStore(vault, () => clock.now());
    const leases = new Leases({ store, wanted, token: () => undefined, clock, fault: (error) => faults.push(error) });
    return { clock, vault, leases, faults };
  }
  const wish = { server: 'notes', tenant: 'acme', subject: 'alice', incident: 'i-1' };

  test('give each caller his own, or his tenant’s where that is what was declared, and never another’s (A2)', async (t) => {
    verifies('secrets.injection');
    const { vault, leases } = book(scratch(t), () => [
      { ref: 'notes-api', per: 'subject' },
      { ref: 'plan', per: 'tenant' },
    ]);
    vault.put(alice, 'of-alice-of-acme');
    vault.put({ ...alice, subject: 'bob' }, 'of-bob-of-acme');
    vault.put({ ref: 'plan', tenant: 'acme', subject: undefined }, 'of-all-of-acme');
    vault.put({ ref: 'plan', tenant: 'rival', subject: 'alice' }, 'not-the-tenants');
    vault.put({ ...alice, tenant: 'rival' }, 'of-alice-of-rival');
    const values = async (subject: string, tenant = 'acme') => {
      const answer = await leases.lend({ ...wish, subject, tenant });
      return 'leases' in answer ? answer.leases.map(({ value }) => value) : Object.values(answer)[0];
    };
    assert.deepEqual(await values('alice'), ['of-alice-of-acme', 'of-all-of-acme']);
    assert.deepEqual(await values('bob'), ['of-bob-of-acme', 'of-all-of-acme']);
    assert.equal(await values('carol'), 'no secret notes-api of carol of acme');
    assert.equal(await values('https://idp.example#alice'), 'no secret notes-api of https://idp.example#alice of acme');
    assert.equal(await values('alice', 'rival'), 'no secret plan of the tenant rival');
    // All or nothing: what was lent before the missing one is not lent any more.
    assert.deepEqual(
      leases.running().map(({ subject }) => subject),
      ['alice', 'alice', 'bob', 'bob'],
    );
  });

  test('end when they are given back, and by themselves after five minutes', async (t) => {
    verifies('secrets.injection');
    const { clock, vault, leases } = book(scratch(t), () => [{ ref: 'notes-api', per: 'subject' }]);
    vault.put(alice, SECRET);
    const answers = [await leases.lend(wish), await leases.lend(wish)];
    const [first] = answers.flatMap((answer) => ('leases' in answer ? answer.leases : []));
    assert.equal(first?.until, clock.now() + 300_000);
    await leases.giveBack([first?.id ?? '', 'never-lent']);
    assert.equal(leases.running().length, 1);
    assert.equal(JSON.stringify(leases.running()).includes(SECRET), false);
    clock.pass(299_999);
    assert.equal(leases.running().length, 1);
    clock.pass(1);
    assert.equal(leases.running().length, 0);
  });

  test('a store that fails is a fault of ours, and lends nothing', async (t) => {
    const state = scratch(t);
    const { vault, leases, faults } = book(state, () => [{ ref: 'notes-api', per: 'subject' }]);
    vault.put(alice, SECRET);
    for (const file of sealedIn(state)) writeFileSync(file, '{}');
    assert.deepEqual([await leases.lend(wish), faults.length], [{ missing: 'the secret store failed' }, 1]);
  });

  test('the store says what it does not have', async (t) => {
    const store = embeddedStore(new Vault(scratch(t), Date.now), Date.now);
    await assert.rejects(store.lease(alice, 1000), NoSecret);
    await store.revoke('never-lent');
  });
});

function sealedIn(state: string): string[] {
  const directory = join(state, 'secrets');
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json'))
    .map((file) => join(directory, file));
}

function flipped(text: string): string {
  return (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
}
