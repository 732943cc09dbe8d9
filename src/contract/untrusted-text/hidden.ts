import { findMixedWord } from './mixed-words.ts';

export interface Hidden {
  readonly kind: 'bidi' | 'invisible' | 'tag' | 'selector' | 'control' | 'lookalike';
  /** In UTF-16 units. */
  readonly at: number;
  /** For the log; never the text itself. */
  readonly why: string;
}

/** Nothing of a text without these characters can be hidden; most texts end here. */
const NOT_PLAIN = /[^\t\n\r\x20-\x7e\u00a0-\u00ac\u00ae-\u024f]/;

/** What may need its neighbours to be judged, and what never has a good reason; of one UTF-16 unit. */
const SUSPECTS = [
  String.raw`\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f`,
  String.raw`\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff`,
].join('');
/** The same, of two units. */
const SUSPECT_PAIR = /[\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/u;
/** The units that these begin with; without `u` a text is searched several times faster. */
const SUSPECT_UNIT = new RegExp(String.raw`[${SUSPECTS}\ud82f\ud834\udb40-\udb43]`, 'g');

/** A flag of a part of a country (UTS #51 §1.4.6): a black flag, the country and its part in tags, the end. */
const FLAG = /\u{1f3f4}[\u{e0061}-\u{e007a}]{2}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{1,4}\u{e007f}/gu;

/**
 * Finds what a person who reads the text does not see, or takes for something else: changes of direction (UAX #9,
 * "Trojan Source"), invisible and tag characters, variation selectors that select nothing, control characters, and
 * words of Latin letters with look-alikes of other scripts among them (UTS #39). Joiners, marks and selectors where a
 * script or an emoji needs them are none of these. Linear.
 */
export function findHidden(text: string): Hidden | undefined {
  if (!NOT_PLAIN.test(text)) return undefined;
  return findSuspect(text) ?? findLookalike(text);
}

function findLookalike(text: string): Hidden | undefined {
  const at = findMixedWord(text);
  return at === undefined
    ? undefined
    : { kind: 'lookalike', at, why: 'a word of Latin letters with letters among them that only look it' };
}

function findSuspect(text: string): Hidden | undefined {
  SUSPECT_UNIT.lastIndex = 0;
  if (!SUSPECT_UNIT.test(text)) return undefined;
  const plain = text.includes('\u{1f3f4}') ? text.replace(FLAG, (flag) => '-'.repeat(flag.length)) : text;
  const run = SPELT_OUT.exec(plain);
  if (run !== null) return { kind: 'invisible', at: run.index, why: 'a run of invisible characters' };
  SUSPECT_UNIT.lastIndex = 0;
  while (SUSPECT_UNIT.test(plain)) {
    const at = SUSPECT_UNIT.lastIndex - 1;
    const char = after(plain, at);
    if (SURROGATE.test(char) && !SUSPECT_PAIR.test(char)) continue;
    const kind = judge(char.codePointAt(0) ?? 0, before(plain, at), after(plain, at + char.length));
    if (kind !== undefined) return { kind, at, why: `${kind} character U+${hex(char)}` };
  }
  return undefined;
}

const SURROGATE = /[\ud800-\udfff]/;

function hex(char: string): string {
  return (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}

/** Of scripts that joiners shape, or whose words have no spaces between them. */
const JOINED =
  /[\p{Script=Arab}\p{Script=Syrc}\p{Script=Mong}\p{Script=Nkoo}\p{Script=Deva}\p{Script=Beng}\p{Script=Guru}\p{Script=Gujr}\p{Script=Orya}\p{Script=Taml}\p{Script=Telu}\p{Script=Knda}\p{Script=Mlym}\p{Script=Sinh}\p{Script=Khmr}\p{Script=Mymr}\p{Script=Tibt}\p{Script=Thai}\p{Script=Laoo}\p{Script=Hebr}\p{Script=Thaa}\p{Script=Mand}]/u;
/** Of scripts without spaces, whose words a line may part where something unseen says so: beside Latin names too. */
const SPACELESS =
  /[\p{Script=Thai}\p{Script=Laoo}\p{Script=Khmr}\p{Script=Mymr}\p{Script=Tibt}\p{Script=Hani}\p{Script=Hira}\p{Script=Kana}]/u;
const LATIN = /[\p{Script=Latn}0-9_]/u;
const VISIBLE_ASCII = /^[\x21-\x7e]{2}$/;
const MARK = /\p{M}/u;
const JOINER = /[\u200c\u200d]/;
/** So many of them in a row spell something out. */
const SPELT_OUT = /[\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff]{4}/;

function judge(code: number, left: string, right: string): Hidden['kind'] | undefined {
  if (code < 0xa0) return 'control';
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) return 'bidi';
  if (code === 0x200e || code === 0x200f || code === 0x061c) return inWord(left, right) ? 'bidi' : undefined;
  if ((code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xe0100 && code <= 0xe01ef))
    return selects(code, left) ? undefined : 'selector';
  if (code >= 0xe0000 && code <= 0xe0fff) return 'tag';
  return needed(code, left, right) ? undefined : 'invisible';
}

function needed(code: number, left: string, right: string): boolean {
  switch (code) {
    case 0x00ad: // A hyphen where a line may end.
      return /\p{L}/u.test(left) && /\p{L}/u.test(right);
    case 0x200b:
    case 0x2060:
    case 0xfeff:
    case 0x180e:
      if (code === 0x200b && VISIBLE_ASCII.test(left + right)) return false;
      return SPACELESS.test(left + right) || (!LATIN.test(left) && !LATIN.test(right));
    case 0x200c:
    case 0x200d:
      return (
        JOINED.test(left) ||
        MARK.test(left) ||
        (JOINER.test(left) && !LATIN.test(right)) ||
        (code === 0x200d && joinsEmoji(left, right))
      );
    case 0x034f:
      return MARK.test(left) || MARK.test(right);
    case 0x115f:
    case 0x1160:
      return /\p{Script=Hang}/u.test(left) || /\p{Script=Hang}/u.test(right);
    default:
      return code >= 0x180b && code <= 0x180f && /\p{Script=Mong}/u.test(left);
  }
}

/** Between two emoji, each with its skin tone or selector (UTS #51 §2.3). */
function joinsEmoji(left: string, right: string): boolean {
  return (
    /\ufe0f|\p{Extended_Pictographic}|\p{Emoji_Modifier}/u.test(left) &&
    /[\p{Extended_Pictographic}\p{Emoji}]/u.test(right)
  );
}

/** Emoji and signs have two forms, ideographs hundreds; of the others few have any. One selector at a time. */
function selects(code: number, left: string): boolean {
  if (code >= 0xfe0e && code <= 0xfe0f) return /[\p{Emoji}\p{S}\p{Extended_Pictographic}]/u.test(left);
  if (code > 0xffff) return /\p{Script=Hani}/u.test(left);
  return /[\p{Sm}\p{Script=Hani}\p{Script=Mymr}\p{Script=Phag}\p{Script=Mani}\u3000-\u303f\uff00-\uff60]/u.test(left);
}

function inWord(left: string, right: string): boolean {
  return LATIN.test(left) && LATIN.test(right);
}

function before(text: string, at: number): string {
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff ? text.slice(at - 2, at) : text.charAt(at - 1);
}

function after(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? '' : String.fromCodePoint(code);
}
