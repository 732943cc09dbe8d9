/** One kind of secret. Rules are data; the filter is the only code that runs them. */
export interface Rule {
  /** Shown in the marker `[redacted:ID]` and counted in the audit. */
  readonly id: string;
  /** Literal texts, one of which every secret of this kind holds; the rule is tried wherever one stands. */
  readonly hints: readonly string[];
  /** A letter or digit before a hint makes it another word. */
  readonly bounded?: boolean;
  /** Where hints alone are everywhere: what each character behind one must be (of ASCII; any other may), */
  readonly next?: RegExp;
  /** how many of them there are, at least, */
  readonly least?: number;
  /** and what stands behind the last. None of the three may ask for more than `pattern` does. */
  readonly then?: string;
  /**
   * Sticky, and tried at a hint. The secret is what it matches, or group 1, which then ends the match. With the
   * flag `i`, hints too are found in any letter case.
   * It matches at most `REACH` UTF-16 units, look-ahead included, so that a stream can decide it within a window.
   */
  readonly pattern: RegExp;
  /** What of the secret stands before the hint, at most `BACK` units; ends in `$`. Without a match there is no secret. */
  readonly before?: RegExp;
  /** How much of a match, from its beginning, is the secret; 0: nothing. Group 1 then means nothing. */
  readonly measure?: (matched: string) => number;
  /** The last word on a secret; without one, and without `measure`, it must look drawn at random. */
  readonly validate?: (secret: string, context: Context) => boolean;
  /** Sticky `[…]*`: secrets of any length go on as long as this does. */
  readonly rest?: RegExp;
  /**
   * Made-up texts in which the rule must find the secret: it stands between `«` and `»`, or is the whole text.
   * `{hex:40}` stands for so many characters of an alphabet (`ALPHABETS`), so that no file holds what looks real.
   */
  readonly examples: readonly string[];
  /** Texts that look alike, in which no rule may find anything; written likewise. */
  readonly spares?: readonly string[];
}

/** Where a secret stands. */
export interface Context {
  /** Up to 64 units before the hint. */
  readonly before: string;
  /** What the pattern matched, from the hint on. */
  readonly matched: string;
}

/** UTF-16 units that a pattern may look ahead of its hint. */
export const REACH = 1024;
/** UTF-16 units that a rule may look behind its hint. */
export const BACK = 128;

const TOKEN_REST = /[A-Za-z0-9_\-+/=.~]*/y;

/** A token that is known by how it begins. `body` follows the prefix; a letter or digit before it makes it another word. */
export function token(id: string, prefixes: readonly string[], body: string, ...examples: readonly string[]): Rule {
  const alternatives = prefixes.map(literal).join('|');
  const pattern = new RegExp(`(?<![A-Za-z0-9])(?:${alternatives})${body}`, 'y');
  return { id, hints: prefixes, bounded: true, pattern, examples };
}

/** A token without an upper length: `body` is the least of it. */
export function longToken(id: string, prefixes: readonly string[], body: string, ...examples: readonly string[]): Rule {
  return { ...token(id, prefixes, body, ...examples), rest: TOKEN_REST };
}

export function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
