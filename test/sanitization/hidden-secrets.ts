import assert from 'node:assert/strict';
import fc from 'fast-check';
import { redact } from '../../src/gateway/output-sanitization/redact.ts';
import { rules } from '../../src/gateway/output-sanitization/rules/index.ts';
import { type Sample, sampleOf } from './samples.ts';

const templates = rules.flatMap(({ id, examples }) => (id === 'card-number' ? [] : examples));

/** Coats in which a server may give a text, as the content of a JSON string. */
export const coats: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  base64: (text) => Buffer.from(text).toString('base64'),
  base64url: (text) => Buffer.from(text).toString('base64url'),
  percent: (text) => `https://api.example/?next=${encodeURIComponent(text)}`,
  'JSON in a string': (text) => JSON.stringify({ note: text, of: 'a note' }),
  'base64 in lines': (text) =>
    Buffer.from(`${'a line before it\n'.repeat(4)}${text}`)
      .toString('base64')
      .replace(/.{64}/g, '$&\r\n'),
  'nothing between its letters': (text) => [...text].join('\u200b'),
  'colours of a terminal': (text) => [...text].map((char) => `\x1b[01;31m${char}\x1b[m`).join(''),
  'full-width letters': (text) => text.replace(/[!-~]/g, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0)),
  'numbers of HTML': (text) => [...text].map((char) => `&#${char.codePointAt(0)};`).join(''),
  escapes: (text) => [...text].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
};

/** What somebody who wants the secret could make of bytes that he was given. */
function readings(bytes: string): string[] {
  const strings: string[] = [];
  JSON.stringify(JSON.parse(bytes), (key, value) => {
    strings.push(key, ...(typeof value === 'string' ? [value] : []));
    return value;
  });
  return strings.flatMap((text) => [
    text,
    text.replace(/\u200b|\x1b\[[\d;]*m/g, ''),
    text.normalize('NFKC'),
    text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))),
    text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    text.replace(/\\u([0-9a-f]{4})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    ...[text, text.replaceAll('\r\n', '')]
      .flatMap((lines) => lines.split(/[^A-Za-z0-9+/_=-]+/))
      .map((run) => Buffer.from(run, 'base64').toString('latin1')),
  ]);
}

export function holdsNot(bytes: string, { secret }: Sample, where: string): void {
  assert.ok(!readings(bytes).some((text) => text.includes(secret)), `${where}: ${bytes}`);
}

/** One in twenty passwords is drawn without a digit and is not told from a word: what is found at all is found everywhere. */
export const secrets = fc
  .tuple(fc.constantFrom(...templates), fc.nat())
  .map(([text, seed]) => sampleOf(text, `${seed}`))
  .filter(({ text, secret }) => !redact(text).includes(secret));
