import { findMember, readObject } from '../../../contract/splice.ts';
import { CLIENT_INFO } from '../request.ts';

const PREFIX = 'io.modelcontextprotocol/';
const OWN = new Set(['protocolVersion', 'clientInfo', 'clientCapabilities', 'logLevel'].map((name) => PREFIX + name));
const ENVELOPE = `"${PREFIX}protocolVersion":"2026-07-28","${PREFIX}clientInfo":${CLIENT_INFO},"${PREFIX}clientCapabilities":`;
/** Where the name lies that `Mcp-Name` mirrors. */
const NAMES: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** What of a call the encoding needs; `params` is the raw JSON of an object. */
export interface Encodable {
  readonly method: string;
  readonly params: Uint8Array;
  readonly capabilities: string;
  readonly logLevel: string | undefined;
  readonly headers: readonly string[];
}

/** A request as its body, and the headers that mirror it: names and values, alternating. */
export interface Encoded {
  readonly body: Buffer;
  readonly headers: string[];
}

/** A request of 2025-11-25 or older: the params go as they came. */
export function encodeLegacy(id: number, method: string, params: Uint8Array): Buffer {
  const head = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":`;
  // Methods are a table of ours, so the head is ASCII.
  const body = Buffer.allocUnsafe(head.length + params.length + 1);
  body.write(head, 0, 'latin1');
  body.set(params, head.length);
  body[body.length - 1] = 0x7d;
  return body;
}

/** A request of 2026-07-28: with its envelope in `_meta`, every other member byte for byte, and with its headers. */
export function encodeModern(id: number, call: Encodable, base: readonly string[]): Encoded {
  const { method, capabilities, logLevel } = call;
  const params = Buffer.from(call.params.buffer, call.params.byteOffset, call.params.byteLength).toString('utf8');
  const { members } = readObject(params);
  const level = logLevel === undefined ? '' : `,"${PREFIX}logLevel":${JSON.stringify(logLevel)}`;
  const meta = findMember(members, '_meta');
  const kept = meta === undefined ? '' : keptOf(params, meta.start);
  const others = members
    .filter((member) => member !== meta)
    .map(({ keyStart, end }) => `,${params.slice(keyStart, end)}`)
    .join('');
  const body = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{"_meta":{${ENVELOPE}${capabilities}${level}${kept}}${others}}}`;
  const headers = [...base, 'mcp-method', method];
  const key = NAMES[method];
  const name = key === undefined ? undefined : findMember(members, key);
  if (name !== undefined && params[name.start] === '"')
    headers.push('mcp-name', fieldValue(String(JSON.parse(params.slice(name.start, name.end)))));
  for (const header of call.headers) headers.push(header);
  return { body: Buffer.from(body, 'utf8'), headers };
}

/** What the `_meta` of the caller holds beside the members that each hop writes itself. */
function keptOf(params: string, start: number): string {
  if (params[start] !== '{') return '';
  let kept = '';
  for (const { key, keyStart, end } of readObject(params, start).members)
    if (!OWN.has(key)) kept += `,${params.slice(keyStart, end)}`;
  return kept;
}

/** What is no plain field value (RFC 9110 §5.5), or looks encoded already, goes as `=?base64?…?=`. */
function fieldValue(text: string): string {
  const plain = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
