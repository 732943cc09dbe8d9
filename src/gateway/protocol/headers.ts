import { Refusal } from '../../contract/refusal.ts';

/**
 * A header value in the clear or as `=?base64?…?=` (MCP 2026-07-28, Value Encoding).
 * @throws Refusal header-mismatch for base64 that is not canonical or not UTF-8
 */
export function decodeHeader(value: string): string {
  const plain = withoutSpace(value);
  const encoded = /^=\?base64\?(.*)\?=$/s.exec(plain)?.[1];
  if (encoded === undefined) return plain;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded)
    throw new Refusal('header-mismatch', 'a base64 value that is not canonical');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal('header-mismatch', 'a base64 value that is not UTF-8');
  }
}

/** Takes away the optional white space round a field value (RFC 9110 §5.6.3), and no other. */
export function withoutSpace(value: string): string {
  // A pattern for the end would walk through every run of spaces again and again.
  let [start, end] = [0, value.length];
  while (isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
