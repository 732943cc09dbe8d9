import { isObject } from '../../contract/json.ts';
import { parseStrict, rawMembers } from '../../contract/strict-json.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

/**
 * One request with the params spliced in as they came, ended by a line feed.
 *
 * The stdio transport delimits frames by newlines. JSON has raw newlines only between its tokens (RFC 8259 §7 has
 * them escaped in strings), so turning those bytes into spaces changes no value; in UTF-8 no other character has them.
 */
export function encodeRequest(id: number, method: string, params: Uint8Array): Buffer {
  const head = `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":`;
  const start = Buffer.byteLength(head);
  const size = params.length > 0 ? params.length : 2;
  const bytes = Buffer.allocUnsafe(start + size + 2);
  bytes.write(head);
  if (params.length > 0) bytes.set(params, start);
  else bytes.write('{}', start);
  for (const newline of [LINE_FEED, CARRIAGE_RETURN])
    for (let at = bytes.indexOf(newline, start); at !== -1 && at < start + size; at = bytes.indexOf(newline, at + 1))
      bytes[at] = SPACE;
  bytes.write('}\n', start + size);
  return bytes;
}

const PREFIX = 'io.modelcontextprotocol/';
export const CLIENT_INFO = '{"name":"innerkeep","version":"0.1.0"}';
const ENVELOPE =
  `"${PREFIX}protocolVersion":"2026-07-28","${PREFIX}clientInfo":${CLIENT_INFO},` + `"${PREFIX}clientCapabilities":{}`;

/**
 * The params with the `_meta` that every request of 2026-07-28 carries; other members keep their bytes.
 * @throws MalformedJson when the params are not strict JSON
 */
export function withEnvelope(params: Uint8Array): Buffer {
  const { text, value } = parseStrict(params.length > 0 ? params : Buffer.from('{}'));
  const members = new Map(rawMembers(text));
  const meta = isObject(value) && isObject(value._meta) ? rawMembers(members.get('_meta') ?? '{}') : new Map();
  const kept = [...meta]
    .filter(([key]) => !key.startsWith(PREFIX))
    .map(([key, raw]) => `,${JSON.stringify(key)}:${raw}`);
  members.delete('_meta');
  const others = [...members].map(([key, raw]) => `,${JSON.stringify(key)}:${raw}`);
  return Buffer.from(`{"_meta":{${ENVELOPE}${kept.join('')}}${others.join('')}}`);
}

/** The value of `_meta.progressToken`, if the params have one; parsed only when the key occurs in the bytes at all. */
export function progressToken(params: Uint8Array): string | number | undefined {
  if (!Buffer.from(params.buffer, params.byteOffset, params.length).includes('"progressToken"')) return undefined;
  const { value } = parseStrict(params);
  const meta = isObject(value) ? value._meta : undefined;
  const token = isObject(meta) ? meta.progressToken : undefined;
  return typeof token === 'string' || typeof token === 'number' ? token : undefined;
}
