/** Shortest base64 that is looked into, in units: what fewer hold is too short for a secret. */
const MIN_RUN = 24;

/** Escapes of letters, digits and marks in a JSON text that is the content of a string: without `"` and `\` it stays one, */
const ESCAPE = /\\u00(?:2[013-9a-f]|[3467][0-9a-f]|5[0-9abd-f])|\\\//gi;
/** and all of ASCII, with line ends. */
const ANY_ESCAPE = /\\u00[0-7][0-9a-f]|\\[/nrt]/gi;
const SHORT: Readonly<Record<string, string>> = { '\\/': '/', '\\n': '\n', '\\r': '\r', '\\t': '\t' };
const PERCENT = /%[2-7][0-9a-f]/i;
/** Base64 in lines (RFC 2045 §6.8, RFC 7468 §2), maybe indented. */
const LINES = /[\w+/-]{60,76}(?:\r?\n[ \t]*[\w+/-]+)+={0,2}/y;
/** What no reader sees: controls, with what of a terminal's colours follows them (ECMA-48 §5.4), and what no font draws. */
const UNSEEN = /(?![\t\n\r])\p{Cc}(?:\[[0-?]*[ -/]*[@-~])?|\p{Default_Ignorable_Code_Point}/gu;
/** Letters and digits in other shapes: full-width, circled, mathematical, raised, Arabic. */
const SHAPED =
  /[\u0660-\u0669\u06f0-\u06f9\u2070-\u209c\u2460-\u24ff\uff10-\uff19\uff21-\uff3a\uff3f\uff41-\uff5a\u{1d400}-\u{1d7ff}]/u;
const HIDDEN = new RegExp(`${UNSEEN.source}|${SHAPED.source}`, 'u');
/** What most texts are made of has nothing of these, and is known sooner. */
const BEYOND = /[^\t\n\r\x20-\x7e]/;

/** What HTML shows as a character of ASCII (HTML §13.1.4, numeric references). */
const ENTITY = /&#(?:x0{0,4}([2-7][0-9a-f]|[9ad])|0{0,4}(9|1[03]|3[2-9]|[4-9]\d|1[01]\d|12[0-6]));/gi;

function hides(text: string): boolean {
  return (BEYOND.test(text) && HIDDEN.test(text)) || (text.includes('&#') && text.search(ENTITY) !== -1);
}

/**
 * Shows what a text holds once encoded (base64 or base64url, percent signs, JSON escapes) to `redact`, and puts back,
 * encoded likewise, what `redact` changed. The very same text where it changed nothing.
 */
export function replaceEncoded(text: string, redact: (decoded: string) => string): string {
  const opened = replacePercent(replaceBase64(text, redact), redact);
  if (!opened.includes('\\')) return opened;
  return replaceEscaped(replaceEscaped(opened, ESCAPE, redact), ANY_ESCAPE, redact);
}

/**
 * Shows a text to `redact` as it is read: without what is not seen, and in plain letters and digits, also those that HTML
 * spells by their number. The very same text where that shows nothing; else the
 * text as it is read.
 */
export function replaceHidden(text: string, redact: (seen: string) => string): string {
  if (!hides(text)) return text;
  const plain = text.replace(ENTITY, (_, hex?: string, decimal?: string) =>
    String.fromCharCode(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)),
  );
  const drawn = plain.replace(UNSEEN, '').normalize('NFKC');
  // The last digit of their code points is their own, which NFKC leaves as they are.
  const seen = drawn.replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => String(digit.charCodeAt(0) & 0xf));
  const clean = redact(seen);
  return clean === seen ? text : clean;
}

/** Whether there is anything encoded or hidden to be looked into, also in the strings of a JSON text. */
export function holdsEncoded(text: string): boolean {
  if ((text.includes('\\') && /\\[u/nrt]/i.test(text)) || hides(text)) return true;
  if (text.includes('%') && PERCENT.test(text)) return true;
  for (let run = nextRun(text, 0); run !== undefined; run = nextRun(text, run.end)) {
    const found = text.slice(run.start, run.end);
    if ([0, 1, 2, 3].some((skip) => mayBeText(found, skip))) return true;
  }
  return false;
}

function replaceBase64(text: string, redact: (decoded: string) => string): string {
  let output = '';
  let copied = 0;
  for (let run = nextRun(text, 0); run !== undefined; ) {
    LINES.lastIndex = run.start;
    const [lines] = LINES.exec(text) ?? [];
    const end = lines === undefined ? run.end : run.start + lines.length;
    const replaced = lines === undefined ? inRun(text.slice(run.start, end), redact) : inLines(lines, redact);
    if (replaced !== undefined) {
      output += text.slice(copied, run.start) + replaced;
      copied = end;
    }
    run = nextRun(text, end);
  }
  return copied === 0 ? text : output + text.slice(copied);
}

/** What line ends cut is whole without them, and put back in lines of the same length. */
function inLines(lines: string, redact: (decoded: string) => string): string | undefined {
  const [between = ''] = /\s+/.exec(lines) ?? [];
  const replaced = inRun(lines.replace(/\s/g, ''), redact);
  return replaced?.match(new RegExp(`.{1,${lines.indexOf(between)}}`, 'g'))?.join(between);
}

/** What stands before base64 may be of its alphabet (a path): its groups of four begin at one of four places. */
function inRun(run: string, redact: (decoded: string) => string): string | undefined {
  for (let skip = 0; skip < 4; skip++) {
    if (!mayBeText(run, skip)) continue;
    const decoded = Buffer.from(run.slice(skip), 'base64').toString('latin1');
    const clean = redact(decoded);
    if (clean !== decoded) {
      const encoding = /[-_]/.test(run) ? 'base64url' : 'base64';
      return run.slice(0, skip) + Buffer.from(clean, 'latin1').toString(encoding);
    }
  }
  return undefined;
}

/** Groups that hold a secret: five hold 15 bytes. */
const MIN_GROUPS = 5;

/**
 * Bytes of ASCII that can be seen begin their group of four with one of `I` to `Z`, or `a` to `f`. One group between them may begin with a byte of an accented
 * letter (UTF-8): `g` to `z`.
 */
function mayBeText(run: string, skip: number): boolean {
  let groups = 0;
  let accents = 0;
  for (let at = skip; at < run.length; at += 4) {
    const code = run.charCodeAt(at);
    const isAscii = (code >= 0x49 && code <= 0x5a) || (code >= 0x61 && code <= 0x66);
    accents = isAscii ? 0 : accents + 1;
    if (isAscii) groups++;
    else if (accents > 1 || code < 0x67 || code > 0x7a) groups = 0;
    if (groups === MIN_GROUPS) return true;
  }
  return false;
}

interface Run {
  readonly start: number;
  readonly end: number;
}

/** A run of that length covers one of every `MIN_RUN` places: others need no look. */
function nextRun(text: string, from: number): Run | undefined {
  for (let at = from + MIN_RUN - 1; at < text.length; at += MIN_RUN) {
    if (!isBase64(text.charCodeAt(at))) continue;
    let start = at;
    while (start > from && isBase64(text.charCodeAt(start - 1))) start--;
    let end = at + 1;
    while (end < text.length && isBase64(text.charCodeAt(end))) end++;
    while (end < text.length && text.charCodeAt(end) === 0x3d) end++;
    if (end - start >= MIN_RUN) return { start, end };
    // The next run begins behind this one.
    at = end - 1;
  }
  return undefined;
}

function isBase64(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2b ||
    code === 0x2f ||
    code === 0x2d ||
    code === 0x5f
  );
}

/** Word by word; then with quotes as part of words, where only what that alone shows is replaced. */
function replacePercent(text: string, redact: (decoded: string) => string): string {
  if (!text.includes('%') || !PERCENT.test(text)) return text;
  const words = text.replace(/[^\s"'<>`\\]+/g, (word) => openedPercent(word, word, redact));
  return words.replace(/[^\s<>]+/g, (word) => openedPercent(word, redact(word), redact));
}

function openedPercent(word: string, from: string, redact: (decoded: string) => string): string {
  if (!PERCENT.test(word)) return word;
  const decoded = from.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  const clean = redact(decoded);
  return clean === decoded ? word : clean.replace(/[<>\x00-\x20\x7f-\xff]/g, percent);
}

function percent(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

function replaceEscaped(text: string, escapes: RegExp, redact: (decoded: string) => string): string {
  const decoded = text.replace(
    escapes,
    (spelled) => SHORT[spelled.toLowerCase()] ?? String.fromCharCode(Number.parseInt(spelled.slice(2), 16)),
  );
  if (decoded === text) return text;
  const clean = redact(decoded);
  if (clean === decoded) return text;
  return /[\n\r\t]/.test(text) ? clean : clean.replace(/[\n\r\t]/g, (char) => JSON.stringify(char).slice(1, -1));
}
