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

/** Code or a reference to a secret rather than the secret: `process.env.TOKEN`, `config.get`, a path, a URL, a date. */
const REFERENCE =
  /^(?:process\.env|os\.environ|env\.|secrets?\.|vault:|ref\+|arn:|[\w-]+:\/\/|\.{0,2}\/|~\/|\d{4}-\d{2}-\d{2}|v?\d+\.\d+\.\d+)|^[A-Za-z_]+(?:\.[A-Za-z_]+)+$|[()[\]{}]/;

/** Whether a value that is called a key or token looks drawn at random. */
export function looksRandom(value: string): boolean {
  if (value.length < 10 || isPlaceholder(value) || REFERENCE.test(value)) return false;
  if (/^\d{24,}$/.test(value)) return true;
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value)) return false;
  if (isWordy(value)) return false;
  return entropy(value) >= (value.length < 16 ? 3 : 3.2);
}

/** Whether a value that is called a password could be one: people choose short ones. */
export function looksChosen(value: string): boolean {
  if (value.length < 6 || isPlaceholder(value) || REFERENCE.test(value)) return false;
  return /[\d!@#$%^&*+?~]/.test(value) && /[A-Za-z]/.test(value);
}

/** Words and small numbers joined by separators, as in `rate-limit-v2` or `us_east_1`. */
function isWordy(value: string): boolean {
  return /^(?:[A-Za-z]+|[0-9]{1,4}|[A-Za-z]{2,}\d{1,2}|v\d+)(?:[-_.:/ ](?:[A-Za-z]+|\d{1,4}|[A-Za-z]{2,}\d{1,2}|v\d+))*$/.test(
    value,
  );
}
