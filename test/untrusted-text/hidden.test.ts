import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findHidden } from '../../src/contract/untrusted-text/hidden.ts';
import { LOOKALIKES } from '../../src/contract/untrusted-text/lookalikes.ts';

const attacks: Readonly<Record<string, string>> = {
  bidi: 'access = "user\u202e \u2066// admin\u2069 \u2066"',
  'bidi in a word': 'ad\u200emin',
  'zero width in a word': 'read\u200bfile',
  joiner: 'read\u200dfile',
  'soft hyphen': 'rm_\u00adrf',
  'byte order mark': '\ufeffadmin',
  filler: 'admin\u3164',
  tags: 'hi\u{e0068}\u{e0069}',
  'tags behind another emoji': '\u{1f600}\u{e0068}\u{e0069}\u{e007f}',
  'a flag that says too much': `\u{1f3f4}${'\u{e0061}'.repeat(12)}\u{e007f}`,
  selectors: '\u{1f600}\ufe00\ufe01\ufe02',
  'many selectors': 'a\u{e0100}\u{e0101}',
  escape: '\u001b[2Jok',
  zero: 'a.txt\u0000.png',
  Cyrillic: 'p\u0430ypal',
  Greek: 'micr\u03bfsoft',
  Armenian: '\u0570ello',
  wide: 'adm\uff49n',
  'behind accents': 'cafe\u0301_p\u0430y',
  'mathematics behind a dash': '\u2011\u{1d41a}dmin',
  'spelt out': '!\u200b\u200c\u200b\u200c\u200c',
};

const honest: Readonly<Record<string, string>> = {
  Persian: 'می\u200cخواهم',
  Hindi: 'क्\u200dष',
  Khmer: 'ខ្ញុំ\u200bចង់',
  Hebrew: 'שלום \u200f(world)\u200f',
  Arabic: '\u061c-12٪',
  Japanese: '葛\u{e0100}飾区のAPI',
  Russian: 'USB-кабель и Windows',
  science: 'TNFα, βcarotene, µm, kΩ, Δt',
  German: 'Donau\u00addampf\u00adschiff',
  Vietnamese: 'Tiếng Việt',
  'Vietnamese, decomposed': 'Tiếng Việt'.normalize('NFD'),
  pharmacy: 'NF‑κB‑dependent, IL‑1β, PPARγ',
  formulas: 'x∈ℝⁿ, σ²=Var(X), |x−a|<δ',
  family: '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}',
  skin: '\u{1f44d}\u{1f3fd}',
  heart: '\u2764\ufe0f',
  keycap: '1\ufe0f\u20e3',
  Wales: '\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}',
  lines: 'a\tb\r\nc',
};

test('what a reader does not see, or takes for something else, is found', () => {
  const missed = Object.entries(attacks).filter(([, text]) => findHidden(text) === undefined);
  assert.deepEqual(missed, []);
});

test('what scripts and emoji need is not', () => {
  const stopped = Object.entries(honest).map(([name, text]) => [name, findHidden(text)?.why]);
  assert.deepEqual(
    stopped.filter(([, why]) => why !== undefined),
    [],
  );
});

test('a hidden character between letters is found in any text', () => {
  const hidden = fc.constantFrom('\u202e', '\u2066', '\u200b', '\u2060', '\u{e0041}', '\ufe01', '\u0007', '\ufeff');
  const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019_'), minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), word, hidden, word, fc.string({ unit: 'grapheme' }), (...parts) =>
      Boolean(findHidden(parts.join(''))),
    ),
  );
});

test('graphemes of any language hide nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 300 }), (text) => findHidden(text) === undefined),
  );
});

test('what is found is the same where every short cut is taken, and where a neighbour forbids each', () => {
  // One suspect that an emoji needs, one Greek letter that a word of science ends in: nothing hidden, all looked at.
  const honestTail = '\n\u2764\ufe0f TNFα';
  const unit = fc.oneof(
    fc.constantFrom(...Object.values(attacks), ...Object.values(honest)),
    fc.constantFrom(
      'a',
      '_',
      '7',
      ' ',
      '“',
      'µ',
      'α',
      'а',
      'ա',
      '\uff49',
      '\u{1d400}',
      '中',
      '\u200b',
      '\udb40',
      '\ud83d',
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 8 }), (units) => {
      const text = units.join('');
      assert.deepEqual(findHidden(text), findHidden(`${text}${honestTail}`));
    }),
    { numRuns: 1000 },
  );
});

test('no letter that can pass for a Latin one is taken for harmless, whatever its alphabet', () => {
  const drawnLikeLatin =
    /[\p{Script=Armn}\p{Script=Cher}\p{Script=Lisu}\p{Script=Copt}\p{Script=Dsrt}\p{Script=Glag}\p{Script=Goth}\p{Script=Osge}\uff21-\uff3a\uff41-\uff5a\u{1d400}-\u{1d7ff}]/u;
  const missed: string[] = [];
  for (let code = 0x80; code < 0x20000; code++) {
    const char = String.fromCodePoint(code);
    const isWord = /[\p{L}\p{M}\p{N}]/u.test(char);
    const passes = drawnLikeLatin.test(char) || Object.hasOwn(LOOKALIKES, char.toLowerCase());
    // Dotless i, and the script a and g, are Latin letters of languages and of phonetics.
    if (isWord && passes && !/\p{Script=Latn}/u.test(char) && findHidden(`ad${char}min`) === undefined)
      missed.push(code.toString(16));
  }
  assert.deepEqual(missed, []);
});
