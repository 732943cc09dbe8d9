import type { Rule } from './rule.ts';

/** A text that leads to rules wherever it stands. */
export interface Hint {
  readonly text: string;
  /** In any letter case; `text` is lower case then. */
  readonly folded: boolean;
  readonly next: RegExp;
  readonly lead: RegExp | undefined;
  /** A letter, a digit or a low line before it makes it another word. */
  readonly bounded: boolean;
  readonly rules: readonly Rule[];
}

/** Bits of a class of characters. */
const CLASS = 6;
const GRAMS = 1 << (3 * CLASS);
/** Bytes that are looked at at a time. */
const BLOCK = 1 << 16;

/**
 * Finds hundreds of hints in one pass. Characters fall into 64 classes (letters without their case, digits, the
 * punctuation that hints have); a table says for each three of them which hints may begin there, another what may be
 * the fourth, and only those are compared. (One RegExp of as many alternatives is many times slower.)
 */
export class HintScanner {
  /** For each three classes: which of `#lists` may begin with them; 0: none. */
  readonly #grams = new Uint16Array(GRAMS);
  readonly #lists: (readonly Hint[])[] = [[]];
  /** For each of `#lists` and each class: whether one of its hints may go on with it. */
  readonly #fourth: Uint8Array;
  readonly #bytes = Buffer.alloc(BLOCK);

  constructor(rules: readonly Rule[]) {
    const byGram = new Map<number, Hint[]>();
    for (const hint of merge(rules.flatMap((rule) => rule.hints.map((text) => toHint(rule, text)))))
      for (const gram of gramsOf(hint)) byGram.set(gram, [...(byGram.get(gram) ?? []), hint]);
    const known = new Map<string, number>();
    const ids = new Map<Hint, number>();
    for (const [gram, hints] of byGram) {
      const key = hints.map((hint) => idOf(ids, hint)).join();
      const list = known.get(key) ?? this.#lists.push(hints) - 1;
      known.set(key, list);
      this.#grams[gram] = list;
    }
    this.#fourth = new Uint8Array(this.#lists.length << CLASS);
    for (const [list, hints] of this.#lists.entries())
      for (const hint of hints) for (const kind of fourthOf(hint)) this.#fourth[(list << CLASS) | kind] = 1;
  }

  /** Shows each place from `from` on, and before `to`, at which a hint stands, until `visit` returns true. */
  scan(text: string, from: number, to: number, visit: (hint: Hint, at: number) => boolean): void {
    for (let start = from; start < to; start += BLOCK - 2) {
      const end = Math.min(to + 2, start + BLOCK);
      // Units above U+00FF lose their high byte; what they are mistaken for is compared with the text itself.
      const length = this.#bytes.write(text.slice(start, end), 'latin1');
      if (this.#scanBlock(text, start, length, visit)) return;
    }
  }

  #scanBlock(text: string, start: number, length: number, visit: (hint: Hint, at: number) => boolean): boolean {
    const [grams, fourth, bytes] = [this.#grams, this.#fourth, this.#bytes];
    for (let at = nextGram(bytes, 2, length, grams, fourth); at < length; ) {
      const place = start + at - 2;
      for (const hint of this.#lists[grams[gramAt(bytes, at)] ?? 0] ?? [])
        if (matches(hint, text, place) && visit(hint, place)) return true;
      at = nextGram(bytes, at + 1, length, grams, fourth);
    }
    return false;
  }
}

/** The three classes that end at that byte. */
function gramAt(bytes: Uint8Array, at: number): number {
  const first = CLASSES[bytes[at - 2] ?? 0] ?? 0;
  const second = CLASSES[bytes[at - 1] ?? 0] ?? 0;
  return (first << (2 * CLASS)) | (second << CLASS) | (CLASSES[bytes[at] ?? 0] ?? 0);
}

/** The next byte with which three may begin a hint, and a fourth go on; a small loop, since every byte of all answers is in it. */
function nextGram(bytes: Uint8Array, from: number, length: number, grams: Uint16Array, fourth: Uint8Array): number {
  if (from >= length) return length;
  let gram = gramAt(bytes, from - 1);
  for (let at = from; at < length; at++) {
    gram = ((gram << CLASS) | (CLASSES[bytes[at] ?? 0] ?? 0)) & (GRAMS - 1);
    const list = grams[gram] ?? 0;
    if (list === 0) continue;
    // Behind the last byte of a block nothing is known.
    if (at + 1 === length || fourth[(list << CLASS) | (CLASSES[bytes[at + 1] ?? 0] ?? 0)] === 1) return at;
  }
  return length;
}

const ANY = /[\s\S]/;
const ASCII = [...Array(128).keys()];

/** Class 0: what is in no hint. */
const CLASSES = classes();

function classes(): Uint8Array {
  const all = new Uint8Array(256);
  for (let letter = 0; letter < 26; letter++) all[0x41 + letter] = all[0x61 + letter] = 1 + letter;
  for (const [index, char] of [...'0123456789_-.:/= "\'|~%+\n\r{[$'].entries()) all[char.charCodeAt(0)] = 27 + index;
  return all;
}

function toHint(rule: Rule, text: string): Hint {
  const folded = rule.pattern.ignoreCase;
  return {
    text: folded ? text.toLowerCase() : text,
    folded,
    next: rule.next ?? ANY,
    lead: rule.lead,
    bounded: rule.bounded === true,
    rules: [rule],
  };
}

function idOf(ids: Map<Hint, number>, hint: Hint): number {
  const id = ids.get(hint) ?? ids.size;
  ids.set(hint, id);
  return id;
}

function gramsOf(hint: Hint): ReadonlySet<number> {
  let grams = [0];
  for (const index of [0, 1, 2]) {
    const own = new Set(wanted(hint, index).map((code) => CLASSES[code] ?? 0));
    grams = grams.flatMap((gram) => [...own].map((kind) => (gram << CLASS) | kind));
  }
  return new Set(grams);
}

/** Classes of what may stand behind the first three characters of a hint. */
function fourthOf(hint: Hint): readonly number[] {
  return wanted(hint, 3).map((code) => CLASSES[code] ?? 0);
}

/** The characters that may stand at that index of a hint, or behind it. */
function wanted({ text, next }: Hint, index: number): readonly number[] {
  return index < text.length
    ? [text.charCodeAt(index)]
    : [...ASCII.filter((code) => next.test(String.fromCharCode(code))), 0xff];
}

function matches({ text: wanted, folded, bounded, lead }: Hint, text: string, at: number): boolean {
  if (bounded && at > 0 && isWord(text.charCodeAt(at - 1))) return false;
  if (!(folded ? startsFolded(text, wanted, at) : text.startsWith(wanted, at))) return false;
  if (lead === undefined) return true;
  lead.lastIndex = at;
  return lead.test(text);
}

function isWord(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

function startsFolded(text: string, wanted: string, at: number): boolean {
  for (let index = 0; index < wanted.length; index++) {
    const code = text.charCodeAt(at + index);
    if ((code >= 0x41 && code <= 0x5a ? code + 32 : code) !== wanted.charCodeAt(index)) return false;
  }
  return true;
}

/** Hints of one text become one with the rules of all. */
function merge(hints: readonly Hint[]): readonly Hint[] {
  const merged = new Map<string, Hint>();
  for (const hint of hints) {
    const key = `${hint.text}\n${hint.folded}\n${hint.bounded}\n${hint.lead?.source ?? ''}`;
    const known = merged.get(key);
    merged.set(key, known === undefined ? hint : { ...known, rules: [...known.rules, ...hint.rules] });
  }
  return [...merged.values()];
}
