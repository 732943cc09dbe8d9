/** Bytes (as latin1 characters) that are taken at one place. */
type Choice = string;
/** One way to write one character: a choice for each of its bytes. */
export type Spelling = readonly Choice[];
/** Something to look for: for each of its characters all the ways to write it, told when they are of interest. */
export interface Form {
  readonly length: number;
  spell(index: number): readonly Spelling[];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': 'amp', '"': 'quot', '<': 'lt', '>': 'gt', "'": 'apos' };

/**
 * What an echo of a secret may look like: itself in any case, percent-encoded once or twice, escaped for JSON or HTML
 * (letter by letter, so that mixtures are known too), in base64 at each of its alignments, in hexadecimal, in UTF-16.
 */
export function formsOf(secret: string): readonly Form[] {
  const bytes = Buffer.from(secret, 'latin1');
  return [
    formOf(secret, spellings),
    ...[0, 1, 2].map((before) => base64Form(bytes, before)),
    formOf(secret, (letter) => [hexOf(letter)]),
    formOf(secret, (letter) => [[letter, '\0']]),
    formOf(secret, (letter) => [['\0', letter]]),
  ];
}

/** @param text ASCII */
function formOf(text: string, spell: (letter: string, index: number) => readonly Spelling[]): Form {
  return { length: text.length, spell: (index) => spell(text.charAt(index), index) };
}

function spellings(letter: string): Spelling[] {
  const hex = hexOf(letter);
  const all: Spelling[] = [
    [eitherCase(letter)],
    ['%', ...hex],
    ['%', '2', '5', ...hex],
    ['\\', 'u', '0', '0', ...hex],
    ['&', '#', ...String(letter.charCodeAt(0)), ';'],
    ['&', '#', 'xX', ...hex, ';'],
  ];
  const entity = ENTITIES[letter];
  if (entity !== undefined) all.push(['&', ...entity, ';']);
  if (letter === ' ') all.push(['+']);
  if (/["\\/]/.test(letter)) all.push(['\\', letter]);
  return all;
}

/**
 * The base64 characters that the secret alone decides when `before` bytes more than a multiple of three precede it.
 * Both alphabets (RFC 4648 §4, §5), lines of any length, escaped for JSON and URLs.
 */
function base64Form(bytes: Buffer, before: number): Form {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
  const own = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  return formOf(own, (letter, index) => {
    const plain: Spelling[] = { '+': plusOrMinus, '/': slashOrUnderscore }[letter] ?? [[letter]];
    return index === 0 ? plain : LINE_ENDS.flatMap((end) => plain.map((spelling) => [...end, ...spelling]));
  });
}

const plusOrMinus: Spelling[] = [['+-'], ['%', '2', 'bB']];
const slashOrUnderscore: Spelling[] = [['/_'], ['\\', '/'], ['%', '2', 'fF']];
const LINE_ENDS: readonly Spelling[] = [[], ['\n'], ['\r', '\n'], ['\\', 'n'], ['\\', 'r', '\\', 'n']];

function hexOf(letter: string): Spelling {
  return [...letter.charCodeAt(0).toString(16).padStart(2, '0')].map(eitherCase);
}

function eitherCase(letter: string): Choice {
  const [lower, upper] = [letter.toLowerCase(), letter.toUpperCase()];
  return lower === upper ? letter : lower + upper;
}
