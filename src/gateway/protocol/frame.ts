import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { findMember, readObject } from '../../contract/splice.ts';
import { MalformedJson, parseUnfrozen } from '../../contract/strict-json.ts';
import { type Authenticated, Framed } from '../../contract/tool-call.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import { MODERN, revisionOf } from './revision.ts';

/** A refusal of a message whose id was already known: the answer carries it. */
export class FramingRefusal extends Refusal {
  /** Raw JSON. */
  readonly id: string | undefined;

  constructor(cause: Refusal, id: string | undefined) {
    super(cause.code, cause.detail, cause.data);
    this.id = id;
  }
}

/**
 * Reads one JSON-RPC 2.0 message.
 * @throws Refusal body-size, body-timeout, overload, parse, invalid-request, and those of `revisionOf`
 */
export async function frame(call: Authenticated): Promise<Framed> {
  const { text, value } = parse(await call.arrived.body());
  if (!isObject(value)) throw new Refusal('invalid-request', Array.isArray(value) ? 'a batch' : 'no object');
  const { members } = readObject(text);
  const rawOf = (key: string) => {
    const member = findMember(members, key);
    return member && text.slice(member.start, member.end);
  };

  const id = checkId(value, rawOf('id'));
  try {
    const { headers } = call.arrived;
    if (value.jsonrpc !== '2.0') throw new Refusal('invalid-request', 'jsonrpc is not "2.0"');
    const { method, params } = checkShape(value, id);
    const revision = revisionOf({ method, params, isRequest: id !== undefined }, headers);
    const modern = revision === MODERN;
    const isResponse = value.method === undefined;
    if (isResponse && modern) throw new Refusal('invalid-request', 'a response');
    return new Framed(call, {
      revision,
      modern,
      id,
      response: isResponse ? responseOf(value, rawOf) : undefined,
      method,
      params,
      paramsRaw: params && rawOf('params'),
    });
  } catch (error) {
    throw error instanceof Refusal ? new FramingRefusal(error, id) : error;
  }
}

function parse(bytes: Uint8Array): { readonly text: string; readonly value: Json } {
  try {
    // What goes on to a server is frozen when it is in the server's own words.
    return parseUnfrozen(bytes);
  } catch (error) {
    throw error instanceof MalformedJson ? new Refusal('parse', error.message) : error;
  }
}

/** MCP: a string or an integer, never null; an integer that two readers could round differently is none. */
function checkId(message: JsonObject, raw: string | undefined): string | undefined {
  if (raw === undefined || typeof message.id === 'string' || Number.isSafeInteger(message.id)) return raw;
  throw new Refusal('invalid-request', 'an id that is neither string nor safe integer');
}

function responseOf(message: JsonObject, rawOf: (key: string) => string | undefined): RpcAnswer {
  const kind = Object.hasOwn(message, 'result') ? 'result' : 'error';
  return { kind, raw: rawOf(kind) ?? 'null' };
}

/** The name that a client's response goes by from here on; no method can be called so. */
const RESPONSE = '(response)';

function checkShape(message: JsonObject, id: string | undefined): { method: string; params: JsonObject | undefined } {
  const { method, params } = message;
  const isResponse = Object.hasOwn(message, 'result') !== Object.hasOwn(message, 'error');
  if (method === undefined && isResponse && id !== undefined) return { method: RESPONSE, params: undefined };
  if (isResponse || typeof method !== 'string') throw new Refusal('invalid-request', 'neither request nor response');
  if (params !== undefined && !isObject(params)) throw new Refusal('invalid-request', 'params are no object');
  if (id === undefined && !method.startsWith('notifications/')) {
    throw new Refusal('invalid-request', `${method} without an id`);
  }
  return { method, params };
}
