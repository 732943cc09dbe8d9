import assert from 'node:assert/strict';
import { test } from 'node:test';
import { files, read } from '../support/tree.ts';

const states = [
  'Arrived',
  'Authenticated',
  'Framed',
  'Known',
  'Validated',
  'Authorized',
  'Confirmed',
  'Limited',
  'Admitted',
  'Executed',
  'Screened',
  'Sanitized',
];

test('each state of a call is made in one place, by one stage', () => {
  const sources = files('src/**/*.ts').map((file) => ({ file, text: read(file) }));
  for (const state of states) {
    const makers = sources.flatMap(({ file, text }) =>
      [...text.matchAll(new RegExp(`\\bnew ${state}\\(`, 'g'))].map(() => file),
    );
    assert.equal(makers.length, 1, `${state} is made in: ${makers.join(', ')}`);
  }
});

test('the gateway has no casts: a stage cannot be forged', () => {
  for (const file of files('src/gateway/**/*.ts')) {
    const casts =
      read(file)
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*|import .*;|export \{.*/g, '')
        .match(/[\w)\]}] as (?!const\b)[\w{[(]+/g) ?? [];
    assert.deepEqual(casts, [], file);
  }
});

test('files stay small: none above 400 lines, median at most 120, nine of ten at most 250', () => {
  const sized = (pattern: string) => files(pattern).map((file) => ({ file, lines: read(file).split('\n').length - 1 }));
  const sizes = sized('src/**/*.ts');
  assert.deepEqual(
    [...sizes, ...sized('{test,bench,scripts}/**/*.{ts,mjs,py}')].filter(({ lines }) => lines > 400),
    [],
  );
  const sorted = sizes.map(({ lines }) => lines).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] as number;
  assert.ok(at(0.5) <= 120, `median ${at(0.5)}`);
  assert.ok(at(0.9) <= 250, `90th percentile ${at(0.9)}`);
});

test('no machine path and no registry host is written down', () => {
  const hosts = new RegExp(['registry\\.npm', 'js\\.org|pypi\\.', 'org|proxy\\.golang|deb\\.debian'].join(''));
  for (const file of files('**/*.{ts,mjs,cjs,json,md,yaml,cedar,lock}')) {
    assert.doesNotMatch(read(file), /\/work\/(?:main|shared)|\/home\/[a-z]|(?<!\/proc\/\d)\/root\/\w/, file);
    if (file !== 'test/house/shape.test.ts') assert.doesNotMatch(read(file), hosts, file);
  }
});
