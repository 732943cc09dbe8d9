import { isObject, type Json } from '../../contract/json.ts';
import { parseStrict, rawMembers } from '../../contract/strict-json.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const NO_PARAMS = Buffer.from('{}');

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

/** The token that a server is to name in what it tells of the progress of a request with these params. */
export function progressToken(params: Uint8Array): Json | undefined {
  const { value } = parseStrict(params.length > 0 ? params : NO_PARAMS);
  const meta = isObject(value) ? value._meta : undefined;
  return isObject(meta) ? meta.progressToken : undefined;
}

const PREFIX = 'io.modelcontextprotocol/';
export const CLIENT_INFO = '{"name":"innerkeep","version":"0.1.0"}';
const ENVELOPE = `"${PREFIX}protocolVersion":"2026-07-28","${PREFIX}clientInfo":${CLIENT_INFO}`;

/**
 * The params with the `_meta` that every request of 2026-07-28 carries; other members keep their bytes.
 * @param capabilities raw JSON: what the client can do
 * @param logLevel the level of log messages that it wants; undefined: none
 * @throws MalformedJson when the params are not strict JSON
 */
export function withEnvelope(params: Uint8Array, capabilities: string, logLevel: string | undefined): Buffer {
  const { text, value } = parseStrict(params.length > 0 ? params : NO_PARAMS);
  const members = new Map(rawMembers(text));
  const meta = isObject(value) && isObject(value._meta) ? rawMembers(members.get('_meta') ?? '{}') : new Map();
  const kept = [...meta]
    .filter(([key]) => !key.startsWith(PREFIX))
    .map(([key, raw]) => `,${JSON.stringify(key)}:${raw}`);
  members.delete('_meta');
  const others = [...members].map(([key, raw]) => `,${JSON.stringify(key)}:${raw}`);
  const level = logLevel === undefined ? '' : `,"${PREFIX}logLevel":${JSON.stringify(logLevel)}`;
  const own = `${ENVELOPE},"${PREFIX}clientCapabilities":${capabilities}${level}`;
  return Buffer.from(`{"_meta":{${own}${kept.join('')}}${others.join('')}}`);
}
