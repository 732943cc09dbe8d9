import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { findMember, readArray, readObject } from '../../contract/splice.ts';
import { MalformedJson, parseStrict, parseUnfrozen } from '../../contract/strict-json.ts';
import { type Authenticated, type Frame, Framed, type Revision } from '../../contract/tool-call.ts';
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

/** Messages of one batch (MCP 2025-03-26, removed in 2025-06-18). */
const MAX_BATCH = 32;

export type Messages = Framed | readonly (Framed | FramingRefusal)[];

/**
 * Reads one JSON-RPC 2.0 message; where the revision has batches, up to 32 of them, each good or refused on its own.
 * @param agreed the revision of the session that the request names
 * @throws Refusal body-size, body-timeout, overload, parse, invalid-request, and those of `revisionOf`
 */
export async function frame(call: Authenticated, agreed: Revision | undefined): Promise<Messages> {
  const { text, value } = parse(await call.arrived.body());
  if (!Array.isArray(value)) return message(call, text, 0, value, agreed);
  const header = call.arrived.headers['mcp-protocol-version'] ?? agreed;
  if (call.arrived.transport === 'sse' || (header !== undefined && header !== WITH_BATCHES))
    throw new Refusal('invalid-request', 'a batch');
  if (value.length === 0 || value.length > MAX_BATCH)
    throw new Refusal('invalid-request', `a batch of ${value.length}`);
  const starts = readArray(text, 0);
  return value.map((member, at) => {
    try {
      const one = message(call, text, starts[at] ?? 0, member, WITH_BATCHES);
      if (one.frame.method !== 'initialize') return one;
      throw new FramingRefusal(new Refusal('invalid-request', 'initialize in a batch'), one.frame.id);
    } catch (error) {
      if (error instanceof FramingRefusal) return error;
      throw error;
    }
  });
}

const WITH_BATCHES = '2025-03-26';

/** The wish to be told of one resource, out of a `subscriptions/listen`: it walks the line as if it had come alone. */
export function subscriptionOf(call: Framed, uri: string): Framed {
  const params = { uri };
  const paramsRaw = JSON.stringify(params);
  return framed(call, { ...call.frame, method: 'resources/subscribe', params, paramsRaw });
}

/** The call that tells what another one would cost: it walks the line as if it had come alone. @param paramsRaw strict JSON */
export function dryRunOf(call: Framed, paramsRaw: string): Framed {
  const { value } = parseStrict(new TextEncoder().encode(paramsRaw));
  if (!isObject(value)) throw new Refusal('internal', 'params that are no object');
  return framed(call, { ...call.frame, method: 'tools/call', params: value, paramsRaw, isDryRun: true });
}

function message(call: Authenticated, text: string, from: number, value: Json, agreed: Revision | undefined): Framed {
  if (!isObject(value)) throw new FramingRefusal(new Refusal('invalid-request', 'no object'), undefined);
  const { members } = readObject(text, from);
  const rawOf = (key: string) => {
    const member = findMember(members, key);
    return member && text.slice(member.start, member.end);
  };

  const id = checkId(value, rawOf('id'));
  try {
    const { headers, transport } = call.arrived;
    if (value.jsonrpc !== '2.0') throw new Refusal('invalid-request', 'jsonrpc is not "2.0"');
    const { method, params } = checkShape(value, id);
    const said = { method, params, isRequest: id !== undefined };
    const revision = transport === 'sse' ? HTTP_SSE : revisionOf(said, headers, agreed);
    const modern = revision === MODERN;
    const isResponse = value.method === undefined;
    if (isResponse && modern) throw new Refusal('invalid-request', 'a response');
    return framed(call, {
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

function framed(call: Authenticated | Framed, frame: Frame): Framed {
  return new Framed(call, frame);
}

/** The only revision that HTTP+SSE is spoken in, whatever its client would rather have. */
const HTTP_SSE = '2024-11-05';

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
  throw new FramingRefusal(new Refusal('invalid-request', 'an id that is neither string nor safe integer'), undefined);
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
