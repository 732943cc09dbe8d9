import { LOOKALIKES } from './lookalikes.ts';

/** What a UTF-16 unit does to the word that it is in; 0: nothing. */
const ENDS = 1;
const LATIN = 2;
/** Without one of these no word is mixed: what only looks Latin. */
const CYRILLIC = 4;
const GREEK = 8;
/** Greek capitals and the omicron: drawn as Latin letters, and no sign of any science. */
const TWIN = 16;
const OTHER = 32;

const TWINS = 'ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο';
const KINDS = kinds();

function kinds(): Uint8Array {
  const all = new Uint8Array(0x1_0000);
  // Neither letter, mark nor digit; what is not in this list is taken for a part of a word, and looked at again.
  fill(all, ENDS, '0-2f 3a-40 5b-5e 60-60 7b-a9 ab-b1 d7-d7 f7-f7 2010-205e 20a0-20cf 2190-245f 2500-2775 3000-3004');
  // With the two that are letters of ASCII in another case.
  fill(all, LATIN, '41-5a 61-7a 17f-17f 212a-212a');
  // The blocks of `STRANGE`, and the first units of its pairs.
  fill(all, OTHER, '3e2-3ef 530-58f 13a0-13ff 2c00-2c5f 2c80-2cff a4d0-a4ff ab70-abbf fb13-fb17 ff21-ff3a ff41-ff5a');
  fill(all, OTHER, 'd800-d801 d807-d807 d835-d835 d838-d838');
  for (const letter of Object.keys(LOOKALIKES)) {
    const kind = /\p{Script=Cyrl}/u.test(letter) ? CYRILLIC : /\p{Script=Grek}/u.test(letter) ? GREEK : 0;
    for (const form of kind === 0 ? [] : [letter, letter.toUpperCase()]) all[form.charCodeAt(0)] = kind;
  }
  for (const letter of TWINS) all[letter.charCodeAt(0)] = TWIN;
  return all;
}

function fill(all: Uint8Array, kind: number, ranges: string): void {
  for (const range of ranges.split(' ')) {
    const [first = 0, last = 0] = range.split('-').map((hex) => Number.parseInt(hex, 16));
    all.fill(kind, first, last + 1);
  }
}

/**
 * Where the first word stands in which letters that only look Latin mix with Latin ones (UTS #39). One pass over the
 * units says which words have both, and only those are looked at.
 */
export function findMixedWord(text: string): number | undefined {
  let seen = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const kind = at === text.length ? ENDS : (KINDS[text.charCodeAt(at)] ?? 0);
    if (kind !== ENDS) {
      seen |= kind;
      continue;
    }
    const mayMix = seen > LATIN && (seen & LATIN) !== 0 && (seen !== (LATIN | GREEK) || isBetween(text, start, at));
    const found = mayMix ? mixedWord(text.slice(start, at), seen) : undefined;
    if (found !== undefined) return start + found;
    seen = 0;
    start = at + 1;
  }
  return undefined;
}

/** `TNFα`, `βcarotene`: Greek letters stand at the ends of words of science, not between their Latin letters. */
function isBetween(text: string, start: number, end: number): boolean {
  let seen = 0;
  for (let at = start; at < end; at++) {
    const kind = KINDS[text.charCodeAt(at)] ?? 0;
    if (kind === LATIN && (seen & GREEK) !== 0) return true;
    if (kind === LATIN || seen !== 0) seen |= kind;
  }
  return false;
}

const WORD = /[\p{L}\p{M}\p{N}_]{1,256}/gu;
/** Alphabets whose letters are drawn like Latin ones, and are never of one word with them; letters of full width, and of mathematics. */
const STRANGE =
  /[\p{Script=Armn}\p{Script=Cher}\p{Script=Lisu}\p{Script=Copt}\p{Script=Dsrt}\p{Script=Glag}\p{Script=Goth}\p{Script=Osge}\uff21-\uff3a\uff41-\uff5a\u{1d400}-\u{1d7ff}]/u;

const TWIN_LETTER = new RegExp(`[${TWINS}]`);

function mixedWord(text: string, seen: number): number | undefined {
  WORD.lastIndex = 0;
  for (let found = WORD.exec(text); found !== null; found = WORD.exec(text)) {
    const [word] = found;
    if (/[a-z]/i.test(word) && /[^\x00-\x7f]/.test(word) && isMixed(word, seen)) return found.index;
  }
  return undefined;
}

function isMixed(word: string, seen: number): boolean {
  if ((seen & OTHER) !== 0 && STRANGE.test(word)) return true;
  if ((seen & TWIN) !== 0 && TWIN_LETTER.test(word)) return true;
  if ((seen & CYRILLIC) !== 0 && word.match(/\p{Script=Cyrl}/gu)?.every(isLookalike)) return true;
  if ((seen & GREEK) === 0) return false;
  const between = word.match(BETWEEN) ?? [];
  return between.some((part) => /[a-z]/.test(part) && part.match(/\p{Script=Grek}/gu)?.some(isLookalike));
}

/** What stands between two Latin letters; between capitals it is a name of science: `NFκB`. */
const BETWEEN = /[A-Za-z][^A-Za-z]{1,255}[A-Za-z]/g;

function isLookalike(letter: string): boolean {
  return Object.hasOwn(LOOKALIKES, letter.toLowerCase());
}
