import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
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

const urls = join(home, '../shared/corpora/urls.jsonl.gz');

test('score finds every URL of the corpora that leads inside, and stops no other (A1)', {
  skip: existsSync(urls) ? false : '../shared/corpora',
}, async (t) => {
  verifies('sandbox.egress');
  const workspace = new Workspace({});
  t.after(() => workspace.remove());
  const { files } = JSON.parse(await workspace.must('score', urls, '--json'));
  assert.deepEqual([files[0].records > 200, files[0].recall, files[0].false_positive_rate], [true, 1, 0]);
});
