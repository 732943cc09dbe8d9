import type { Context } from './rule.ts';

const PLACEHOLDER =
  /^(?:[x*._?#-]+|.*(?:\$\{|\{\{|<%|%[({]).*|[<[{$%].*|(?:your|my|the|some|any|insert|enter|replace|add|put)[_ -].*|your.*|.*(?:example|placeholder|changeme|redacted|dummy).*|(?:user)?(?:pass(?:word|wd)?|pwd|secret|token|key|null|none|true|false|undefined|string|required|optional|test)\d{0,3})$/i;

/** What stands in documentation where a secret would: `<password>`, `${TOKEN}`, `xxxx`, `your-api-key`. */
export function isPlaceholder(text: string): boolean {
  return PLACEHOLDER.test(text);
}

/** Shannon entropy of the characters, in bits each. */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Not mostly filled up with what stands for "some character" in documentation. */
export function isVaried(secret: string): boolean {
  return [...'xX0*.#-_'].every((fill) => secret.split(fill).length - 1 < secret.length * 0.6);
}

/** Letters in a row, in the order of the alphabet, that somebody typed: drawn at random, so many never come. */
const TYPED = 10;

function isTyped(text: string): boolean {
  let run = 1;
  for (let at = 1; at < text.length; at++) {
    const isNext = text.charCodeAt(at) - text.charCodeAt(at - 1) === 1 && text.charCodeAt(at) > 0x40;
    run = isNext ? run + 1 : 1;
    if (run === TYPED) return true;
  }
  return false;
}

/** As few changes of case as words have, in many letters without a digit: `AccountIdentificationNumberType`. */
export function isCamelCase(text: string): boolean {
  const [letters] = /[A-Za-z]{24,}/.exec(text) ?? [];
  return letters !== undefined && !/\d/.test(text) && /[a-z]/.test(letters) && changesOfCase(letters) < 0.28;
}

/** A digit, or as many changes of case as no words have. */
export function isMixed(text: string): boolean {
  return /\d/.test(text) || (text.length >= 10 && changesOfCase(text) >= 0.33);
}

/** For each letter. */
function changesOfCase(text: string): number {
  const letters = text.replace(/[^A-Za-z]/g, '');
  let changes = 0;
  for (let at = 1; at < letters.length; at++) {
    if (isUpper(letters, at) !== isUpper(letters, at - 1)) changes++;
  }
  return changes / letters.length;
}

function isUpper(text: string, at: number): boolean {
  return text.charCodeAt(at) < 0x61;
}

/** The secret goes on what before it looks like base64 (a picture, a digest): a chance hit in a blob. */
function goesOnBlob({ before }: Context): boolean {
  const [blob] = /[A-Za-z0-9+/]{24}[+/]$/.exec(before) ?? [];
  return blob !== undefined && /\d/.test(blob) && /[a-z][A-Z]|[A-Z][a-z]{0,2}[A-Z]/.test(blob);
}

/** Drawn at random, as far as one can see, and no example. */
export function isDrawn(secret: string, context: Context): boolean {
  return isGenuine(secret) && !isCamelCase(secret) && !goesOnBlob(context);
}

/** Neither filled up nor typed, and does not call itself an example. */
export function isGenuine(secret: string): boolean {
  return isVaried(secret) && !isTyped(secret) && !/example/i.test(secret);
}

/** Code or a reference to a secret rather than the secret: `process.env.TOKEN`, `config.get`, a path, a URL, a date. */
const REFERENCE =
  /^(?:process\.env|os\.environ|env\.|secrets?\.|vault:|ref\+|arn:|--|\.{0,2}\/(?![A-Za-z0-9+/]{20,}=)|~\/|\d{4}-\d{2}-\d{2}|v?\d+\.\d+\.\d+|(?:sha\d{1,3}|md5)[-:=])|^[A-Za-z_]+(?:\.[A-Za-z_]+)+$|[()[\]{}]|:\/\//;

/** A format of its own, whose own rule has the last word: Telegram's `NUMBER:A…`. */
const OWN_FORMAT = /^\d+:A/;

/** Whether a value that is called a key or token looks drawn at random. */
export function looksRandom(value: string): boolean {
  if (value.length < 10 || isPlaceholder(value) || REFERENCE.test(value) || OWN_FORMAT.test(value)) return false;
  if (!isGenuine(value)) return false;
  if (/^\d{16,}$/.test(value)) return true;
  if (!isMixed(value) || !/[A-Za-z]/.test(value)) return false;
  return !isWordy(value) && entropy(value) >= 2.75;
}

/** Whether a value that is called a password could be one: people choose short ones. */
export function looksChosen(value: string): boolean {
  if (value.length < 6 || isPlaceholder(value) || REFERENCE.test(value) || !isVaried(value)) return false;
  return (isMixed(value) || /[!@#$%^&*+?~]/.test(value)) && /[A-Za-z]/.test(value);
}

const WORD = String.raw`(?:[A-Za-z]+|\d{1,10}|[A-Za-z]{2}\d{1,2}|[A-Za-z]{3,}\d{1,5}|v\d+)`;
const WORDY = new RegExp(`^${WORD}(?:[-_.:/ ]${WORD})*$`);

/** Words and numbers joined by separators, as in `rate-limit-v2` or `us_east_1`. */
function isWordy(value: string): boolean {
  return WORDY.test(value) && changesOfCase(value) < 0.33;
}
