import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';

const records = [
  { set: 's', kind: 'url', label: 'block', class: 'encoded', value: 'http://0x7f.1/' },
  { set: 's', kind: 'url', label: 'block', class: 'missed', value: 'https://example.org/' },
  { set: 't', kind: 'url', label: 'allow', class: '', value: 'https://example.com/' },
  { set: 't', kind: 'json', label: 'invalid', class: 'c', value: Buffer.from('{"a":1,"a":2}').toString('base64') },
  { set: 't', kind: 'json', label: 'either', class: 'c', value: Buffer.from('[1]').toString('base64') },
  {
    set: 't',
    kind: 'pan',
    label: 'pan',
    class: 'c',
    value: 'card 4242 4242 4242 4242',
    literal: ['4242 4242 4242 4242'],
  },
  { set: 't', kind: 'smell', label: 'malicious', class: 'c', value: 'x' },
];

test('score counts what is found and what is wrongly stopped, and says where nothing looks', async (t) => {
  const workspace = new Workspace({});
  t.after(() => workspace.remove());
  const text = records.map((record) => JSON.stringify(record)).join('\n');
  writeFileSync(join(workspace.dir, 'r.jsonl.gz'), gzipSync(`${text}\n`));
  const { files } = JSON.parse(await workspace.must('score', 'r.jsonl.gz', '--json'));
  const rows = files.map((row: Record<string, unknown>) => [
    row.kind,
    row.detector,
    row.recall,
    row.false_positive_rate,
  ]);
  assert.deepEqual(rows, [
    ['url', 'present', 0.5, 0],
    ['json', 'present', 1, null],
    ['pan', 'present', 1, null],
    ['smell', 'none', null, null],
  ]);
  assert.deepEqual(files[0].by_class, {
    encoded: { records: 1, flagged: 1 },
    missed: { records: 1, flagged: 0 },
    '': { records: 1, flagged: 0 },
  });
  assert.deepEqual(files[0].by_set.t, { records: 1, flagged: 0, recall: null, false_positive_rate: 0 });
  assert.match(await workspace.must('score', 'r.jsonl.gz'), /1 of kind smell: no detector/);
});

test('score names the line of what is no record, and leaves with 2', async (t) => {
  const workspace = new Workspace({
    'bad.jsonl': '{"kind":"url","label":"allow","value":"https://a.example"}\n{"kind":"url"}\n',
  });
  t.after(() => workspace.remove());
  for (const [argv, complaint] of [
    [['bad.jsonl'], /bad\.jsonl:2: not a record/],
    [['none.jsonl'], /none\.jsonl/],
    [[], /score FILE/],
  ] as const) {
    const { code, stderr } = await workspace.run('score', ...argv);
    assert.equal(code, 2);
    assert.match(stderr, complaint);
  }
});

const corpora = join(home, '../shared/corpora');
const skip = existsSync(corpora) ? false : '../shared/corpora';

interface Scored {
  readonly recall: number;
  readonly false_positive_rate: number;
  readonly by_set: Readonly<Record<string, { readonly records: number; readonly flagged: number }>>;
}

async function scored(t: TestContext, file: string): Promise<Scored> {
  const workspace = new Workspace({});
  t.after(() => workspace.remove());
  return JSON.parse(await workspace.must('score', join(corpora, file), '--json')).files[0];
}

test('score finds every URL of the corpora that leads inside, and stops no other (A1)', { skip }, async (t) => {
  verifies('sandbox.egress');
  const { recall, false_positive_rate } = await scored(t, 'urls.jsonl.gz');
  assert.deepEqual([recall, false_positive_rate], [1, 0]);
});

test('score finds nine of ten poisoned descriptors, and suspects one real tool in a hundred at most', {
  skip,
}, async (t) => {
  const { recall, false_positive_rate } = await scored(t, 'descriptors.jsonl.gz');
  assert.ok(recall >= 0.9 && false_positive_rate <= 0.01, `${recall} ${false_positive_rate}`);
});

test('score finds four of five texts that take command, and suspects one other in fifty at most', {
  skip,
}, async (t) => {
  const { by_set: sets, false_positive_rate } = await scored(t, 'results.jsonl.gz');
  const attacks = [sets['inject-garak'], sets['inject-giskard']];
  const [flagged, records] = [sum(attacks.map((set) => set?.flagged)), sum(attacks.map((set) => set?.records))];
  assert.ok(flagged >= 0.8 * records && records > 0, `${flagged} of ${records}`);
  assert.ok(false_positive_rate <= 0.02, `${false_positive_rate}`);
});

test('score finds every trick with hidden characters, and stops no real language and no emoji', { skip }, async (t) => {
  const { recall, by_set: sets } = await scored(t, 'unicode.jsonl.gz');
  assert.deepEqual([recall, sets['unicode-benign']?.flagged], [1, 0]);
});

test('score agrees with every verdict on what is JSON', { skip }, async (t) => {
  const { recall, false_positive_rate } = await scored(t, 'json.jsonl.gz');
  assert.deepEqual([recall, false_positive_rate], [1, 0]);
});

function sum(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((total, one) => total + (one ?? 0), 0);
}
