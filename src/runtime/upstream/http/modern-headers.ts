import { isObject } from '../../../contract/json.ts';
import { parseStrict } from '../../../contract/strict-json.ts';

/** Where the name lies that `Mcp-Name` mirrors. */
const NAMES: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

/** The headers that mirror the body from 2026-07-28 on: names and values, alternating. */
export function modernHeaders(method: string, params: Uint8Array): string[] {
  const headers = ['mcp-method', method];
  const key = NAMES[method];
  if (key === undefined) return headers;
  const { value } = parseStrict(params);
  const name = isObject(value) ? value[key] : undefined;
  if (typeof name === 'string') headers.push('mcp-name', fieldValue(name));
  return headers;
}

/** What is no plain field value (RFC 9110 §5.5), or looks encoded already, goes as `=?base64?…?=`. */
function fieldValue(text: string): string {
  const plain = /^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
