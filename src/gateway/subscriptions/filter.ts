import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { ListKind } from './messages.ts';

/** What a `subscriptions/listen` asks for (MCP 2026-07-28, SubscriptionFilter). */
export interface Filter {
  readonly lists: ReadonlySet<ListKind>;
  /** As the client names them, each once. */
  readonly uris: readonly string[];
  /** Of the tasks extension, each once. */
  readonly taskIds: readonly string[];
}

const MEMBERS = [
  ['toolsListChanged', 'tools'],
  ['promptsListChanged', 'prompts'],
  ['resourcesListChanged', 'resources'],
] as const;

/** @throws Refusal params, and overload above `max` resources, or as many tasks */
export function readFilter(params: JsonObject | undefined, max: number): Filter {
  const asked = params?.notifications;
  if (!isObject(asked)) throw new Refusal('params', '/notifications: not an object');
  const lists = MEMBERS.flatMap(([member, kind]) => (flag(asked[member], member) ? [kind] : []));
  const uris = strings(asked.resourceSubscriptions, 'resourceSubscriptions');
  const taskIds = strings(asked.taskIds, 'taskIds');
  if (uris.length > max || taskIds.length > max) throw new Refusal('overload', `more than ${max} resources or tasks`);
  return { lists: new Set(lists), uris, taskIds };
}

/** The same in the protocol's words; what was not asked for, or is not honoured, is absent. */
export function writeFilter({ lists, uris, taskIds }: Filter): object {
  const flags = MEMBERS.flatMap(([member, kind]) => (lists.has(kind) ? [[member, true]] : []));
  return {
    ...Object.fromEntries(flags),
    ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
    ...(taskIds.length === 0 ? {} : { taskIds }),
  };
}

function flag(value: Json | undefined, member: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw new Refusal('params', `/notifications/${member}`);
  return value ?? false;
}

function strings(value: Json | undefined, member: string): readonly string[] {
  const list = value ?? [];
  if (!Array.isArray(list)) throw new Refusal('params', `/notifications/${member}`);
  const found = new Set<string>();
  for (const one of list) {
    if (typeof one !== 'string') throw new Refusal('params', `/notifications/${member}`);
    found.add(one);
  }
  return [...found];
}
