import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { MalformedJson, parseUnfrozen, rawMembers } from '../../contract/strict-json.ts';
import { printable, type RpcAnswer, UpstreamFailure } from './upstream.ts';

/** One JSON-RPC message from a server, told apart by shape alone (JSON-RPC 2.0 §4 and §5). */
export type Message =
  | { readonly kind: 'answer'; readonly id: Json; readonly answer: RpcAnswer }
  /** `id` is raw JSON, ready to be sent back, and `key` its value; `params` is the raw JSON of an object. */
  | {
      readonly kind: 'request';
      readonly id: string;
      readonly key: string | number;
      readonly method: string;
      readonly params: string;
    }
  | {
      readonly kind: 'notification';
      readonly method: string;
      readonly params: JsonObject | undefined;
      readonly raw: string;
    };

/** Longest id of a server's request that we echo, in characters. */
const MAX_ID = 256;
/** Longest method, in characters. */
const MAX_METHOD = 256;

/**
 * Reads one message; its bytes are parsed once.
 * @throws UpstreamFailure `upstream` on anything that is not exactly one request, notification or response
 */
export function readMessage(bytes: Uint8Array): Message {
  const { text, value } = parse(bytes);
  if (Array.isArray(value)) throw bad('a batch (removed in MCP 2025-06-18)', text);
  if (!isObject(value)) throw bad('not an object', text);
  if (value.jsonrpc !== '2.0') throw bad('not JSON-RPC 2.0', text);
  return 'method' in value ? readIncoming(value, text) : readAnswer(value, text);
}

function parse(bytes: Uint8Array): { readonly text: string; readonly value: Json } {
  try {
    return parseUnfrozen(bytes);
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    throw bad(error.message, new TextDecoder().decode(bytes.subarray(0, 512)));
  }
}

function readIncoming(value: JsonObject, text: string): Message {
  const { method, id, params } = value;
  if (typeof method !== 'string' || method.length > MAX_METHOD) throw bad('a bad method', text);
  if ('result' in value || 'error' in value) throw bad('request and response in one', text);
  if (!('id' in value))
    return { kind: 'notification', method, params: isObject(params) ? params : undefined, raw: text };
  const raw = rawMembers(text);
  const rawId = raw.get('id') ?? '';
  if ((typeof id !== 'string' && typeof id !== 'number') || rawId.length > MAX_ID) throw bad('a bad request id', text);
  if (params !== undefined && !isObject(params)) throw bad('a request whose params are not an object', text);
  return { kind: 'request', id: rawId, key: id, method, params: raw.get('params') ?? '{}' };
}

function readAnswer(value: JsonObject, text: string): Message {
  const { id, result, error } = value;
  if (result !== undefined && error !== undefined) throw bad('both result and error', text);
  if (id === undefined) throw bad('an answer without id', text);
  const raw = rawMembers(text);
  if (isObject(result)) return { kind: 'answer', id, answer: { kind: 'result', raw: raw.get('result') ?? '' } };
  if (isObject(error) && Number.isInteger(error.code) && typeof error.message === 'string')
    return { kind: 'answer', id, answer: { kind: 'error', raw: raw.get('error') ?? '' } };
  throw bad(result === undefined ? 'neither a result nor a proper error' : 'a result that is not an object', text);
}

function bad(what: string, text: string): UpstreamFailure {
  return new UpstreamFailure(
    'upstream',
    `the server sent ${what}: ${JSON.stringify(printable(text.slice(0, 200), 200))}`,
  );
}
