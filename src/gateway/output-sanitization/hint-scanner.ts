import type { Rule } from './rule.ts';

/** A text that leads to rules wherever it stands. */
export interface Hint {
  readonly text: string;
  /** In any letter case; `text` is lower case then. */
  readonly folded: boolean;
  readonly next: RegExp;
  readonly lead: RegExp | undefined;
  readonly rules: readonly Rule[];
}

const WINDOW = 4;
const BUCKETS = 32;

/**
 * Finds hundreds of hints in one pass. Each hint sits in one of 32 buckets, a bit each; tables say for each pair of
 * characters which buckets want it as the first two or as the next two of a hint. Two look-ups and an AND a character
 * leave few places, at which hints are compared in full. (One RegExp of as many alternatives is several times slower.)
 */
export class HintScanner {
  /** At twice a pair of characters: the buckets that begin with it; behind that: those that go on with it. */
  readonly #pairs = new Int32Array(2 * 128 * 128);
  readonly #byFirst: (readonly Hint[] | undefined)[] = [];

  constructor(rules: readonly Rule[]) {
    const hints = rules.flatMap((rule) => rule.hints.map((text) => toHint(rule, text)));
    const byFirst = new Map<number, Hint[]>();
    for (const hint of hints)
      for (const code of spellings(hint, 0)) byFirst.set(code, [...(byFirst.get(code) ?? []), hint]);
    for (const [code, all] of byFirst) this.#byFirst[code] = merge(all);
    // Hints that begin alike share a bucket, so that buckets stay selective.
    hints.sort((one, other) => (shape(one) < shape(other) ? -1 : 1));
    for (const [index, hint] of hints.entries()) this.#admit(hint, 1 << Math.floor((index * BUCKETS) / hints.length));
  }

  /** The first place from `from` on, and before `to`, at which a hint stands; −1: none. */
  next(text: string, from: number, to: number): number {
    const pairs = this.#pairs;
    let before = 0;
    // The buckets that began one and two characters ago.
    let began = 0;
    let opened = 0;
    const last = Math.min(text.length, to + WINDOW - 1);
    for (let at = from; at < last; at++) {
      const code = text.charCodeAt(at);
      if (code > 127) {
        before = began = opened = 0;
        continue;
      }
      const pair = (before * 128 + code) * 2;
      before = code;
      if ((opened & (pairs[pair + 1] ?? 0)) !== 0 && this.#standsAt(text, at - WINDOW + 1)) return at - WINDOW + 1;
      opened = began;
      began = pairs[pair] ?? 0;
    }
    return -1;
  }

  /** The hints that stand at a place. */
  at(text: string, at: number): readonly Hint[] {
    return this.#byFirst[text.charCodeAt(at)]?.filter((hint) => matches(hint, text, at)) ?? [];
  }

  #standsAt(text: string, at: number): boolean {
    for (const hint of this.#byFirst[text.charCodeAt(at)] ?? []) if (matches(hint, text, at)) return true;
    return false;
  }

  #admit(hint: Hint, bit: number): void {
    for (const half of [0, 1]) {
      for (const one of wanted(hint, 2 * half)) {
        for (const two of wanted(hint, 2 * half + 1)) {
          const pair = (one * 128 + two) * 2 + half;
          this.#pairs[pair] = (this.#pairs[pair] ?? 0) | bit;
        }
      }
    }
  }
}

const ANY = /[\s\S]/;
const ASCII = [...Array(128).keys()];

function toHint(rule: Rule, text: string): Hint {
  const folded = rule.pattern.ignoreCase;
  return { text: folded ? text.toLowerCase() : text, folded, next: rule.next ?? ANY, lead: rule.lead, rules: [rule] };
}

function shape({ text, folded }: Hint): string {
  return `${folded ? 1 : 0}${text}`;
}

/** The characters that may stand at that index of a hint, or behind it. */
function wanted(hint: Hint, index: number): readonly number[] {
  return index < hint.text.length
    ? spellings(hint, index)
    : ASCII.filter((code) => hint.next.test(String.fromCharCode(code)));
}

function spellings({ text, folded }: Hint, index: number): readonly number[] {
  const char = text.charAt(index);
  return folded ? [...new Set([char.charCodeAt(0), char.toUpperCase().charCodeAt(0)])] : [char.charCodeAt(0)];
}

function matches({ text: wanted, folded, lead }: Hint, text: string, at: number): boolean {
  if (!(folded ? startsFolded(text, wanted, at) : text.startsWith(wanted, at))) return false;
  if (lead === undefined) return true;
  lead.lastIndex = at;
  return lead.test(text);
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
    const key = `${hint.text}\n${hint.folded}\n${hint.lead?.source ?? ''}`;
    const known = merged.get(key);
    merged.set(key, known === undefined ? hint : { ...known, rules: [...known.rules, ...hint.rules] });
  }
  return [...merged.values()];
}
