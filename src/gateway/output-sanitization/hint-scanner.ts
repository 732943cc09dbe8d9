import { REACH, type Rule } from './rule.ts';

/** A text that leads to rules wherever it stands. */
export interface Hint {
  readonly text: string;
  /** In any letter case; `text` is lower case then. */
  readonly folded: boolean;
  /** A letter or digit before it makes it another word. */
  readonly bounded: boolean;
  /** One for each character of ASCII that may follow; of all others any may. */
  readonly next: Uint8Array;
  /** So many follow, */
  readonly least: number;
  /** and then this one. */
  readonly then: string;
  readonly rules: readonly Rule[];
}

/** Bits of a class of characters. */
const CLASS = 6;
const GRAMS = 1 << (3 * CLASS);
/** Added to the number of a list that has a hint which may stand behind a letter or digit. */
const ANYWHERE = 1 << 15;
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
  readonly #lists: readonly (readonly Hint[])[];
  /** For each of them that stands for three classes, and each fourth class: which of `#lists` may begin with the four; 0: none. */
  readonly #fourth: Uint16Array;
  readonly #bytes = Buffer.alloc(BLOCK);

  constructor(rules: readonly Rule[]) {
    const lists = new Lists();
    const byGram = new Map<number, Hint[]>();
    for (const hint of merge(rules.flatMap((rule) => rule.hints.map((text) => toHint(rule, text)))))
      for (const gram of gramsOf(hint)) byGram.set(gram, [...(byGram.get(gram) ?? []), hint]);
    for (const [gram, hints] of byGram) this.#grams[gram] = lists.idOf(hints);
    const threes = [...lists.all];
    this.#fourth = new Uint16Array(threes.length << CLASS);
    for (const [list, hints] of threes.entries()) {
      const byFourth = new Map<number, Hint[]>();
      for (const hint of hints)
        for (const kind of classesAt(hint, 3)) byFourth.set(kind, [...(byFourth.get(kind) ?? []), hint]);
      for (const [kind, own] of byFourth)
        this.#fourth[(list << CLASS) | kind] = lists.idOf(own) | (own.every(({ bounded }) => bounded) ? 0 : ANYWHERE);
    }
    this.#lists = lists.all;
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

  /** A small loop, since every byte of all answers is in it: the next three that may begin a hint, and a fourth that may go on. */
  #scanBlock(text: string, start: number, length: number, visit: (hint: Hint, at: number) => boolean): boolean {
    const [grams, fourth, bytes] = [this.#grams, this.#fourth, this.#bytes];
    let gram = (classAt(bytes, 0) << CLASS) | classAt(bytes, 1);
    for (let at = 2; at < length; at++) {
      gram = ((gram << CLASS) | classAt(bytes, at)) & (GRAMS - 1);
      const three = grams[gram] ?? 0;
      if (three === 0) continue;
      // Behind the last byte of a block nothing is known.
      const list = at + 1 === length ? three | ANYWHERE : (fourth[(three << CLASS) | classAt(bytes, at + 1)] ?? 0);
      if (list === 0) continue;
      const place = start + at - 2;
      if (list < ANYWHERE && isWord(text.charCodeAt(place - 1))) continue;
      if (this.#visit(list & ~ANYWHERE, text, place, visit)) return true;
    }
    return false;
  }

  #visit(list: number, text: string, place: number, visit: (hint: Hint, at: number) => boolean): boolean {
    const hints = this.#lists[list] ?? [];
    for (let index = 0; index < hints.length; index++) {
      const hint = hints[index];
      if (hint !== undefined && matches(hint, text, place) && visit(hint, place)) return true;
    }
    return false;
  }
}

/** Lists of hints, each once. */
class Lists {
  readonly all: (readonly Hint[])[] = [[]];
  readonly #known = new Map<string, number>();
  readonly #hints = new Map<Hint, number>();

  idOf(hints: readonly Hint[]): number {
    const key = hints.map((hint) => this.#numberOf(hint)).join();
    const id = this.#known.get(key) ?? this.all.push(hints) - 1;
    this.#known.set(key, id);
    return id;
  }

  #numberOf(hint: Hint): number {
    const id = this.#hints.get(hint) ?? this.#hints.size;
    this.#hints.set(hint, id);
    return id;
  }
}

function classAt(bytes: Uint8Array, at: number): number {
  return CLASSES[bytes[at] ?? 0] ?? 0;
}

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
    bounded: rule.bounded === true,
    next: Uint8Array.from(ASCII, (code) => (rule.next?.test(String.fromCharCode(code)) === false ? 0 : 1)),
    least: rule.least ?? 0,
    then: rule.then ?? '',
    rules: [rule],
  };
}

function gramsOf(hint: Hint): ReadonlySet<number> {
  let grams = [0];
  for (const index of [0, 1, 2]) {
    const kinds = [...classesAt(hint, index)];
    grams = grams.flatMap((gram) => kinds.map((kind) => (gram << CLASS) | kind));
  }
  return new Set(grams);
}

/** Classes of what may stand at that index of a hint, or behind it. */
function classesAt({ text, next }: Hint, index: number): ReadonlySet<number> {
  const codes = index < text.length ? [text.charCodeAt(index)] : [...ASCII.filter((code) => next[code] === 1), 0xff];
  return new Set(codes.map((code) => CLASSES[code] ?? 0));
}

function matches(hint: Hint, text: string, at: number): boolean {
  if (hint.bounded && at > 0 && isWord(text.charCodeAt(at - 1))) return false;
  if (!(hint.folded ? startsFolded(text, hint.text, at) : starts(text, hint.text, at))) return false;
  return hint.least === 0 || goesOn(hint, text, at + hint.text.length);
}

/** No pattern looks further than `REACH`. */
function goesOn({ next, least, then }: Hint, text: string, from: number): boolean {
  const limit = Math.min(text.length, from + REACH);
  let at = from;
  while (at < limit && (next[text.charCodeAt(at)] ?? 1) === 1) at++;
  return at - from >= least && (at === from + REACH || starts(text, then, at));
}

function isWord(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

/** `startsWith`, which in so hot a place costs more than these few units. */
function starts(text: string, wanted: string, at: number): boolean {
  for (let index = 0; index < wanted.length; index++)
    if (text.charCodeAt(at + index) !== wanted.charCodeAt(index)) return false;
  return true;
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
    const key = [hint.text, hint.folded, hint.bounded, hint.next, hint.least, hint.then].join('\n');
    const known = merged.get(key);
    merged.set(key, known === undefined ? hint : { ...known, rules: [...known.rules, ...hint.rules] });
  }
  return [...merged.values()];
}
