import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scanJavaScript } from '../../src/control-plane/scan/code/javascript.ts';
import { scanPython } from '../../src/control-plane/scan/code/python.ts';
import { scanFiles } from '../../src/control-plane/scan/files.ts';
import type { Finding } from '../../src/control-plane/scan/finding.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { clean, hostile, type Sample } from './samples.ts';

const scanners = { js: scanJavaScript, ts: scanJavaScript, tsx: scanJavaScript, py: scanPython } as const;

function found({ in: extension, source }: Sample): readonly Finding[] {
  return scanners[extension](`a.${extension}`, source);
}

const ids = (findings: readonly Finding[]) => [...new Set(findings.map(({ rule }) => rule.id))].sort();

test('code that lets an argument become code, a command, a query or an unchecked connection is found, in each disguise', () => {
  verifies('input.static');
  for (const sample of hostile) assert.deepEqual(ids(found(sample)), [sample.id], sample.source);
});

test('the same calls with constants, parameters and other meanings are not', () => {
  for (const sample of clean) assert.deepEqual(ids(found(sample)), [], sample.source);
});

test('a finding has its line and the code that it is about', () => {
  const [inScript] = scanJavaScript('a.ts', 'const a: number = 1;\n\nrun(\n  eval(x as string)\n);\n');
  assert.deepEqual([inScript?.line, inScript?.what], [4, 'eval(x as string)']);
  const [inPython] = scanPython('a.py', 'import os\n\nif a:\n    os.system(b)\n');
  assert.deepEqual([inPython?.line, inPython?.what], [4, 'os.system(b)']);
});

test('nesting that no parser bears, and what is no program, is told instead of passed', () => {
  for (const source of ['function (', '['.repeat(200_000), 'a('.repeat(100_000), '`${'.repeat(50_000)])
    assert.deepEqual(ids(scanJavaScript('a.js', source)), ['js.unparsed'], source.slice(0, 20));
  for (const source of ['def f(:\n', 'a?'.repeat(300_000), '['.repeat(200_000), '{a:'.repeat(200_000)])
    assert.deepEqual(ids(scanPython('a.py', source)), ['py.unparsed'], source.slice(0, 20));
});

test('what follows a fault in a short file is looked at', () => {
  assert.deepEqual(ids(scanPython('a.py', 'x = = 1\nimport os\nos.system(a)\n')), ['py.exec', 'py.unparsed']);
  assert.deepEqual(ids(scanJavaScript('a.js', 'let a; let a;\neval(a)\n')), ['js.eval']);
});

test('names that stand for each other in a circle, and a long row of them, end', () => {
  const many = Array.from({ length: 20_000 }, (_, at) => `const a${at} = a${at + 1};`).join('\n');
  assert.deepEqual(scanJavaScript('a.js', `const a = b; const b = a; a(x);\n${many}\na0(x)`), []);
  assert.deepEqual(scanPython('a.py', 'a = b\nb = a\na(x)\n__proto__ = constructor\n__proto__(x)\n'), []);
});

test('Python that is not what its bytes look like is found, or told instead of passed', () => {
  verifies('input.static');
  const hidden = [
    'ｅｖａｌ(x)',
    '\ufeffeval(x)',
    'import builtins as b\nb.𝖊𝖛𝖆𝖑(x)',
    'from builtins import ｅval as e\ne(x)',
  ];
  for (const source of hidden) assert.deepEqual(ids(scanPython('a.py', `${source}\n`)), ['py.eval'], source);
  assert.deepEqual(ids(scanPython('a.py', 'run(x, ｓhell=True)\n')), ['py.shell']);
  // What full-width marks would end in another form is still inside of the text.
  assert.deepEqual(ids(scanPython('a.py', 'a = "＂; b = "\neval(x) # "\n')), ['py.eval']);
  const encoded = [
    '# coding: utf-7\n+AGUAdgBhAGw-(x)\n',
    '#!/x\n# vim: fileencoding=unicode_escape\ny = 1 #\\u000aeval(x)\n',
  ];
  for (const source of encoded) assert.deepEqual(ids(scanPython('a.py', source)), ['py.unparsed'], source);
  for (const plain of ['utf-8', 'UTF_8', 'latin-1', 'cp1252', 'iso-8859-15'])
    assert.deepEqual(scanPython('a.py', `# -*- coding: ${plain} -*-\nx = 1\n`), [], plain);
});

test('a file of nothing but findings is told to its end, each with its line', (t) => {
  const folder = scratch(t);
  const many = 130_000;
  writeFileSync(join(folder, 'a.py'), 'eval(x)\n'.repeat(many));
  const { findings } = scanFiles(folder);
  assert.deepEqual([findings.length, findings.at(-1)?.line], [many, many]);
});
