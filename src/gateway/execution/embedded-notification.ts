import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { LOG_LEVELS } from '../../contract/log-levels.ts';
import { findMember, readObject, splice } from '../../contract/splice.ts';
import { MalformedJson, parseUnfrozen } from '../../contract/strict-json.ts';
import type { Frame } from '../../contract/tool-call.ts';
import { lookalikeOf } from './lookalikes.ts';

/** Bytes and depth of one message. */
const MAX_SIZE = 64 * 1024;
const MAX_DEPTH = 20;

/** What a call's notifications are held against. */
export interface Listener {
  readonly frame: Pick<Frame, 'revision' | 'modern'>;
  readonly logLevel: string | undefined;
  /** The progress token that the server was given; undefined: none. */
  readonly token: Json | undefined;
  /** Raw JSON of the token that the client waits for now: a call that was held goes on under another request. */
  readonly tokenNow: string | undefined;
  /** Ids of the elicitations by URL that this call asked for. */
  readonly elicitations: ReadonlySet<string>;
}

/** The members that decide where a notification goes. */
const MEMBERS = ['progressToken', 'progress', 'level', 'elicitationId', '_meta'];

type Wanted = (params: JsonObject, listener: Listener) => boolean;

/** What may reach a client in mid-call. What has no row is dropped: lists and resources are not a call's business, tasks are ours. */
const TABLE: ReadonlyMap<string, Wanted> = new Map<string, Wanted>([
  ['notifications/progress', isOwnProgress],
  ['notifications/message', isWantedLevel],
  [
    'notifications/elicitation/complete',
    ({ elicitationId }, { frame, elicitations }) =>
      frame.revision === '2025-11-25' && typeof elicitationId === 'string' && elicitations.has(elicitationId),
  ],
]);

/**
 * The notification as the client gets it; undefined: it does not get it.
 * @param message of the server, not judged
 * @param redact the output filter, for raw JSON
 */
export function judgeNotification(
  message: string,
  listener: Listener,
  redact: (json: string) => { readonly json: string },
): { readonly method: string; readonly json: string } | undefined {
  if (Buffer.byteLength(message) > MAX_SIZE) return undefined;
  const value = strictValue(message);
  if (!isObject(value) || typeof value.method !== 'string') return undefined;
  const { method, params = {} } = value;
  if (!isObject(params) || TABLE.get(method)?.(params, listener) !== true) return undefined;
  if (lookalikeOf(Object.keys(params), MEMBERS) !== undefined) return undefined;
  const member = findMember(readObject(message).members, 'params');
  const { json } = redact(member === undefined ? '{}' : message.slice(member.start, member.end));
  // A number or a name that became a mark may have made two members one.
  if (strictValue(json) === undefined) return undefined;
  const own = method === 'notifications/progress' ? withToken(json, listener.tokenNow) : json;
  if (own === undefined) return undefined;
  return { method, json: `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${own}}` };
}

function isOwnProgress({ progressToken, progress }: JsonObject, { token, tokenNow }: Listener): boolean {
  return token !== undefined && tokenNow !== undefined && progressToken === token && typeof progress === 'number';
}

/** 2026-07-28: none unless the request asked for a level. Before, a server chooses until it was told one. */
function isWantedLevel({ level }: JsonObject, { frame, logLevel }: Listener): boolean {
  const severity = typeof level === 'string' ? LOG_LEVELS.indexOf(level) : -1;
  if (severity === -1) return false;
  return logLevel === undefined ? !frame.modern : severity >= LOG_LEVELS.indexOf(logLevel);
}

/** The token is the client's own word, whatever the filter thinks of it. */
function withToken(params: string, token: string | undefined): string | undefined {
  const member = findMember(readObject(params).members, 'progressToken');
  if (member === undefined || token === undefined) return undefined;
  return splice(params, [{ start: member.start, end: member.end, text: token }]);
}

function strictValue(text: string): Json | undefined {
  try {
    return parseUnfrozen(Buffer.from(text), MAX_DEPTH).value;
  } catch (error) {
    if (error instanceof MalformedJson) return undefined;
    throw error;
  }
}
