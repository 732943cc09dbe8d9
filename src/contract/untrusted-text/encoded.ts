/** Texts in another coat that models read all the same; each at least twenty letters. A longer one is several: a matcher's stack is finite. */
const RUN =
  /[A-Za-z0-9+/]{24,65536}={0,2}|(?:\\x[0-9a-fA-F]{2}){8,65536}|(?:%[0-9a-fA-F]{2}){8,65536}|(?:&#x?[0-9a-fA-F]{2,6};){8,65536}|[\u{e0020}-\u{e007e}]{4,65536}/gu;
/** What is decoded of a run to see whether it is a text. */
const GLANCE = 96;

/** What base64, hexadecimal, percent signs, entities and tag characters in a text say, as far as they say words. */
export function encodedTexts(text: string): string[] {
  const found: string[] = [];
  for (const run of text.match(RUN) ?? []) {
    for (const decode of decodersOf(run)) {
      if (!isProse(decode(run.slice(0, GLANCE)))) continue;
      found.push(decode(run));
      break;
    }
  }
  return found;
}

type Decode = (run: string) => string;

function decodersOf(run: string): readonly Decode[] {
  if (run.startsWith('\\x') || run.startsWith('%')) return [(text) => bytes(text.replace(/[\\x%]/g, ''))];
  if (run.startsWith('&')) return [entities];
  if ((run.codePointAt(0) ?? 0) > 0xe0000)
    return [(text) => [...text].map((char) => String.fromCharCode((char.codePointAt(0) ?? 0) - 0xe0000)).join('')];
  if (/^[0-9a-fA-F]+$/.test(run)) return [bytes];
  // Something may stand before it, or it begins before the text.
  return [0, 1, 2, 3].map((skipped) => (text) => base64(text.slice(skipped)));
}

function bytes(digits: string): string {
  return digits.replace(/[0-9a-f]{2}/gi, (pair) => String.fromCharCode(Number.parseInt(pair, 16)));
}

function entities(text: string): string {
  return text.replace(/&#(x?)([0-9a-f]+);/gi, (_, x: string, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, x === '' ? 10 : 16)),
  );
}

function base64(run: string): string {
  const digits = run.replace(/=+$/, '');
  return atob(digits.length % 4 === 1 ? digits.slice(0, -1) : digits);
}

/** Printable, and parted by spaces as words are. */
function isProse(text: string): boolean {
  return /^[\x20-\x7e\n\r\t\x80-\xff]{12,}$/.test(text) && (text.match(/[A-Za-z]{2,} /g)?.length ?? 0) >= 2;
}
