import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SafetyError } from '../../src/control-plane/config/problem.ts';
import { historyOf } from '../../src/control-plane/packages/history.ts';
import { addRooms } from '../support/add-rooms.ts';
import { type Published, registry } from '../support/registry.ts';

const NOW = Date.parse('2026-11-01T00:00:00Z');
const ago = (days: number) => new Date(NOW - days * 86_400_000).toISOString();
const alice = { name: 'alice', email: 'a@acme.example' };
const mallory = { name: 'mallory', email: 'm@evil.example' };
const calm = {
  _npmUser: alice,
  maintainers: [alice],
  repository: { url: 'git+https://github.com/acme/inventory.git' },
};
const NAME = 'acme-inventory-server';

const packument = (current: object, days: number, before: object = calm, daysBefore = 200) => ({
  time: { created: ago(900), modified: ago(0), '1.0.0': ago(900), '1.2.2': ago(daysBefore), '1.2.3': ago(days) },
  versions: { '1.0.0': calm, '1.2.2': before, '1.2.3': current },
});
const judge = (said: unknown, hasScripts = false) => historyOf(said, '1.2.3', hasScripts, NOW);

test('a version of a known publisher is not suspected, however new', () => {
  assert.deepEqual(judge(packument(calm, 100)).reasons, []);
  const { isSuspected, reasons, facts } = judge(packument(calm, 1));
  assert.deepEqual([isSuspected, reasons], [false, ['published within three days']]);
  assert.ok(facts.includes('published 1 days ago, the first of 3 versions 900 days ago'), facts.join('\n'));
});

test('what a taken-over package looks like is suspected', () => {
  const taken = { ...calm, _npmUser: mallory };
  for (const [said, scripts, expected] of [
    [
      packument(taken, 1),
      false,
      ['published within three days', 'published by somebody who had published none before'],
    ],
    [
      packument(taken, 100, calm, 600),
      false,
      ['the first in more than a year', 'published by somebody who had published none before'],
    ],
    [
      packument(taken, 100),
      true,
      ['has install scripts, the version before had none', 'published by somebody who had published none before'],
    ],
    [
      packument({ ...taken, maintainers: [mallory] }, 100),
      false,
      [
        'published by somebody who had published none before',
        'none of those who maintained the version before does so still',
      ],
    ],
    [
      packument({ ...calm, repository: 'mallory/inventory', deprecated: 'moved' }, 100),
      false,
      ['deprecated by its publisher', 'names another repository than the version before'],
    ],
    [
      packument({ ...calm, repository: undefined }, 1, { ...calm, dist: { attestations: { url: 'x' } } }),
      false,
      [
        'published within three days',
        'its build is not attested, the version before was',
        'names another repository than the version before',
      ],
    ],
    [
      { time: { '1.2.3': ago(1) }, versions: { '1.2.3': calm } },
      false,
      ['published within three days', 'the package is younger than a month'],
    ],
    [
      { time: { '1.2.3': ago(-30) }, versions: { '1.2.3': calm } },
      false,
      ['said to be published in the future', 'published within three days', 'the package is younger than a month'],
    ],
  ] as const) {
    const { isSuspected, reasons } = judge(said, scripts);
    assert.deepEqual(reasons, expected);
    // A year of silence and a newcomer are told; the two alone are how forsaken packages find new owners, too.
    assert.equal(isSuspected, !expected.some((one) => one.startsWith('the first in')), expected.join(', '));
  }
});

test('what the registry does not say is told and not guessed', () => {
  for (const said of [
    undefined,
    null,
    'x',
    {},
    { versions: {} },
    { versions: { '1.2.3': 7 } },
    { versions: JSON.parse('{"__proto__":{}}') },
  ])
    assert.deepEqual(judge(said), { isSuspected: false, reasons: [], facts: ['history: the registry does not say'] });
  const silent = judge({ versions: { '1.2.3': {}, '1.2.2': {} } });
  assert.deepEqual(silent.facts, [
    'history: the registry does not say who maintains it',
    'history: the registry does not say when it was published',
  ]);
  const garbled = judge({
    time: { '1.2.3': 'yesterday', '1.2.2': ago(3) },
    versions: { '1.2.3': { maintainers: 7, _npmUser: [], scripts: 'x' }, '1.2.2': {} },
  });
  assert.deepEqual([garbled.isSuspected, garbled.reasons], [false, []]);
  const { reasons, facts } = judge({
    time: { '1.2.3': ago(100), '1.2.2': ago(200) },
    versions: { '1.2.3': calm, '1.2.2': {} },
  });
  assert.deepEqual(reasons, []);
  assert.ok(facts.includes('history: the registry does not say who published it'), facts.join('\n'));
});

const item: Published = {
  name: NAME,
  version: '1.2.3',
  manifest: { bin: 'main.js' },
  claims: { ...calm, _npmUser: mallory },
  entries: [{ path: 'package/main.js', text: 'console.log(1)' }],
  signature: 'good',
  time: ago(1),
  others: { '1.2.2': { time: ago(400), manifest: calm } },
};

test('add refuses a suspected history unseen, and leaves it marked where it was accepted', async (t) => {
  const { env, publish } = await registry(t, { keys: true }, item);
  const room = addRooms(t, {}, env);
  const add = (...more: readonly string[]) => room.add(`npm:${NAME}@1.2.3`, '--name', 'inv', '--yes', ...more);
  await assert.rejects(
    add(),
    (error) =>
      error instanceof SafetyError &&
      /history of its package is suspected: .*published none before/.test(error.message),
  );
  assert.equal(room.read('innerkeep.lock'), undefined);
  assert.match(room.out, /history: the first in more than a year/);
  assert.equal(await add('--accept-suspected'), 0);
  assert.equal(JSON.parse(room.read('innerkeep.lock') ?? '').servers.inv.history.length, 3);
  assert.equal(await add(), 0, 'it was accepted before');
  publish({ ...item, claims: { ...calm, _npmUser: mallory, deprecated: 'do not use' } });
  await assert.rejects(add(), SafetyError);
});

test('add says what a registry leaves out, and takes the package', async (t) => {
  const { env } = await registry(t, { keys: true }, { ...item, claims: {}, time: undefined, others: {} });
  const room = addRooms(t, {}, env);
  assert.equal(await room.add(`npm:${NAME}@1.2.3`, '--name', 'inv', '--yes'), 0);
  assert.match(room.out, /history: the registry does not say when it was published/);
});
