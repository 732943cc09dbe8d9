const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Of what tokens are made, by the names that templates use. */
export const ALPHABETS = {
  digits: '0123456789',
  hex: '0123456789abcdef',
  upper: `${LETTERS}0123456789`,
  lower: `${LETTERS.toLowerCase()}0123456789`,
  letters: `${LETTERS}${LETTERS.toLowerCase()}`,
  mixed: `${LETTERS}${LETTERS.toLowerCase()}0123456789`,
  base64url: `${LETTERS}${LETTERS.toLowerCase()}0123456789_-`,
} as const;

export type Alphabet = keyof typeof ALPHABETS;

/** A kind of secret of the operator's own, as the configuration has it. */
export interface SecretRule {
  /** Shown in the marker `[redacted:ID]`. */
  readonly id: string;
  readonly template: string;
}

/** What a template says, piece by piece: a text, or so many characters of an alphabet. */
export type Part =
  | { readonly text: string }
  | { readonly alphabet: Alphabet; readonly least: number; readonly most: number };

/** Characters that a secret may have at most, so that a stream can decide it within its window. */
export const LONGEST_SECRET = 512;
/** Characters of the text that each secret begins with: by them it is looked for. */
const LEAST_PREFIX = 4;
/** Characters that are drawn: fewer could stand there by chance. */
const LEAST_DRAWN = 12;

const PART = /\{([a-z0-9]+):(\d{1,3})(?:-(\d{1,3}))?\}|[^{}]+|[\s\S]/y;

/**
 * Reads a template such as `acme_live_{mixed:40}` or `acme-{hex:8}-{base64url:20-64}`: the beginning in so many words, then so
 * many characters of alphabets, with text between them. What can be written so is found in one walk without going back: how long a
 * part is, is fixed, or what follows it is not of its alphabet.
 * @returns a text: why it is none, and how to mend it
 */
export function readTemplate(template: string): readonly Part[] | string {
  const parts: Part[] = [];
  for (PART.lastIndex = 0; PART.lastIndex < template.length; ) {
    const [whole = '', name, from, to] = PART.exec(template) ?? [];
    if (name === undefined) {
      if (!/^[\x21-\x7e]+$/.test(whole) || /[()[\]{}*?^|\\]/.test(whole))
        return `"${whole}" is neither plain text nor {ALPHABET:LENGTH}; patterns are not taken, write a template such as acme_{mixed:40}`;
      parts.push({ text: whole });
      continue;
    }
    if (!isAlphabet(name)) return `there is no alphabet ${name}; one of ${Object.keys(ALPHABETS).join(', ')}`;
    parts.push({ alphabet: name, least: Number(from), most: Number(to ?? from) });
  }
  return faultOf(parts) ?? parts;
}

function faultOf(parts: readonly Part[]): string | undefined {
  const [first] = parts;
  if (first === undefined || !('text' in first) || first.text.length < LEAST_PREFIX)
    return `it has to begin with at least ${LEAST_PREFIX} characters that are always the same, such as acme_`;
  let [drawn, longest] = [0, 0];
  for (const [index, part] of parts.entries()) {
    if ('text' in part) {
      longest += part.text.length;
      continue;
    }
    const { alphabet, least, most } = part;
    if (least < 1 || most < least) return `{${alphabet}:${least}-${most}} is no length; give the smaller number first`;
    drawn += least;
    longest += most;
    const next = parts[index + 1];
    if (most > least && next !== undefined && mayBegin(next, alphabet))
      return `what follows {${alphabet}:${least}-${most}} is of the same alphabet, so that nobody could say where it ends; give one length, or another mark behind it`;
  }
  if (drawn < LEAST_DRAWN) return `it has only ${drawn} characters that differ; at least ${LEAST_DRAWN} are needed`;
  if (longest > LONGEST_SECRET) return `it may be ${longest} characters long; at most ${LONGEST_SECRET}`;
  return undefined;
}

function mayBegin(part: Part, alphabet: Alphabet): boolean {
  const own: string = ALPHABETS[alphabet];
  if ('text' in part) return own.includes(part.text.charAt(0));
  const other: string = ALPHABETS[part.alphabet];
  return [...other].some((char) => own.includes(char));
}

function isAlphabet(name: string): name is Alphabet {
  return Object.hasOwn(ALPHABETS, name);
}

/** What a template matches, as a pattern; each part is a class of characters that is counted, and nothing is nested. */
export function patternOf(parts: readonly Part[]): string {
  return parts
    .map((part) => {
      if ('text' in part) return part.text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
      const { alphabet, least, most } = part;
      return `[${CLASSES[alphabet]}]{${least}${most === least ? '' : `,${most}`}}`;
    })
    .join('');
}

const CLASSES: Readonly<Record<Alphabet, string>> = {
  digits: '0-9',
  hex: '0-9a-f',
  upper: 'A-Z0-9',
  lower: 'a-z0-9',
  letters: 'A-Za-z',
  mixed: 'A-Za-z0-9',
  base64url: 'A-Za-z0-9_-',
};
