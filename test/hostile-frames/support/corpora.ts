import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { home } from '../../support/tree.ts';

const folder = join(home, '../shared/corpora');

/** For `skip`: the name of what is absent, or false. */
export const corporaAbsent = existsSync(join(folder, 'json.jsonl.gz')) ? false : '../shared/corpora';

export interface JsonDocument {
  readonly id: string;
  readonly label: 'valid' | 'invalid' | 'either';
  readonly bytes: Buffer;
}

/** Documents that JSON parsers disagree about, with what RFC 8259 says of each. */
export function jsonDocuments(): readonly JsonDocument[] {
  return records('json.jsonl.gz').map(({ id = '', label, value = '' }) => ({
    id,
    label: label as JsonDocument['label'],
    bytes: Buffer.from(value, 'base64'),
  }));
}

export interface HttpVector {
  readonly id: string;
  readonly kind: 'request' | 'response';
  /** As it goes over the wire; one character a byte. */
  readonly raw: string;
}

/** Messages that HTTP parsers disagree about. */
export function httpVectors(): readonly HttpVector[] {
  return records('suites/http-vectors.jsonl.gz').map(({ file = '', title = '', raw = '' }) => ({
    id: `${file}: ${title}`,
    kind: file.startsWith('response') ? 'response' : 'request',
    raw: wire(raw),
  }));
}

/** A record's line ends are CRLF, a backslash before one joins lines, and its other escapes are written out. */
function wire(text: string): string {
  const bytes = Buffer.from(text.replace(/\\\r?\n/g, '').replace(/\r?\n/g, '\r\n')).toString('latin1');
  return bytes
    .replace(/\\x([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8) & 255))
    .replace(/\\([rntf])/g, (_, letter: 'r' | 'n' | 't' | 'f') => ({ r: '\r', n: '\n', t: '\t', f: '\f' })[letter]);
}

function records(path: string): readonly Readonly<Record<string, string>>[] {
  const text = gunzipSync(readFileSync(join(folder, path))).toString('utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
