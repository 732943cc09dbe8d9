import { isObject } from '../../contract/json.ts';
import { appendMembers, dropMembers, findMember, readObject, splice } from '../../contract/splice.ts';
import { parseStrict } from '../../contract/strict-json.ts';

export type ListKind = 'tools' | 'prompts' | 'resources';

/** UTF-16 units of a notification; none that is well meant comes near. */
const MAX_MESSAGE = 64 * 1024;

const ENVELOPE = 'io.modelcontextprotocol/';
const SUBSCRIPTION = `"${ENVELOPE}subscriptionId"`;

/** What a server tells of a change: a resource's own URI and the raw params, or that its list is another. */
export type Change =
  | { readonly kind: 'updated'; readonly uri: string; readonly params: string }
  | { readonly kind: 'list' };

/**
 * Reads a server's notification; undefined for what is none of a change, or has no shape.
 * @throws MalformedJson
 */
export function readChange(message: string): Change | undefined {
  if (message.length > MAX_MESSAGE) return undefined;
  const { text, value } = parseStrict(Buffer.from(message));
  if (!isObject(value)) return undefined;
  if (value.method === 'notifications/resources/list_changed') return { kind: 'list' };
  if (value.method !== 'notifications/resources/updated') return undefined;
  const { params } = value;
  const member = findMember(readObject(text).members, 'params');
  if (!isObject(params) || member === undefined || typeof params.uri !== 'string') return undefined;
  return { kind: 'updated', uri: params.uri, params: text.slice(member.start, member.end) };
}

/**
 * `notifications/resources/updated` for a client, out of a server's params: under the URI that the client uses, without
 * what the server said to us alone; every other byte survives.
 * @param id raw JSON of the id of the `subscriptions/listen` that it is told on; undefined: of a session
 */
export function updated(params: string, uri: string, id: string | undefined): string {
  const member = findMember(readObject(params).members, 'uri');
  const edits = member === undefined ? [] : [{ start: member.start, end: member.end, text: JSON.stringify(uri) }];
  return notification('resources/updated', stamped(splice(params, edits), id));
}

/** @param params raw JSON: a task as `tasks/get` would give it (tasks extension, Task Status Notifications) */
export function taskChanged(params: string, id: string): string {
  return notification('tasks', stamped(params, id));
}

export function listChanged(kind: ListKind, id: string | undefined): string {
  return notification(`${kind}/list_changed`, id === undefined ? undefined : stamped('{}', id));
}

/** @param honoured of what was asked for (MCP 2026-07-28, SubscriptionFilter) */
export function acknowledged(honoured: object, id: string): string {
  const params = `{"notifications":${JSON.stringify(honoured)}}`;
  return notification('subscriptions/acknowledged', stamped(params, id));
}

/** The result of a `subscriptions/listen` that has ended. */
export function ended(id: string): string {
  return `{"resultType":"complete","_meta":{${SUBSCRIPTION}:${id}}}`;
}

function notification(name: string, params: string | undefined): string {
  return `{"jsonrpc":"2.0","method":"notifications/${name}"${params === undefined ? '' : `,"params":${params}`}}`;
}

/** Puts our own envelope in `_meta`, in the place of the server's. A `_meta` that is no object is none. */
function stamped(params: string, id: string | undefined): string {
  const stamp = id === undefined ? undefined : `${SUBSCRIPTION}:${id}`;
  const own = findMember(readObject(params).members, '_meta');
  if (own === undefined || params[own.start] !== '{') {
    const bare = splice(
      params,
      dropMembers(readObject(params).members, (key) => key === '_meta'),
    );
    return stamp === undefined ? bare : splice(bare, [appendMembers(readObject(bare), `"_meta":{${stamp}}`)]);
  }
  const theirs = dropMembers(readObject(params, own.start).members, (key) => key.startsWith(ENVELOPE));
  const cleaned = splice(params, theirs);
  if (stamp === undefined) return cleaned;
  return splice(cleaned, [appendMembers(readObject(cleaned, own.start), stamp)]);
}
