import { isObject, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Frame, TaskWish } from '../../contract/tool-call.ts';

/** The only revision in which a client asks for a task, and a tool says what it thinks of that. */
const WITH_TASKS = '2025-11-25';

/**
 * What a client that calls a tool as a task wants of it; undefined in revisions that know no such thing.
 * @throws Refusal unknown-method where the pinned descriptor does not offer it (MCP 2025-11-25, Tool-Level Negotiation);
 * params
 */
export function taskWish({ revision, params }: Frame, { asTask }: { readonly asTask: boolean }): TaskWish | undefined {
  if (revision !== WITH_TASKS) return undefined;
  const task = params?.task;
  if (!isObject(task)) throw new Refusal('params', 'task is no object');
  const { ttl = null } = task;
  if (ttl !== null && !(typeof ttl === 'number' && Number.isSafeInteger(ttl) && ttl >= 0))
    throw new Refusal('params', 'a ttl that is no number of milliseconds');
  if (!asTask) throw new Refusal('unknown-method', 'no task can be made of calls to this tool');
  return { ttl: ttl ?? undefined };
}

/** What a tool of a server of that revision says of tasks; where it says nothing, it forbids them. @param raw descriptor */
export function taskSupport(raw: string, revision: string): 'optional' | 'required' | 'forbidden' {
  if (revision !== WITH_TASKS) return 'forbidden';
  const { execution }: JsonObject = JSON.parse(raw);
  const said = isObject(execution) ? execution.taskSupport : undefined;
  return said === 'optional' || said === 'required' ? said : 'forbidden';
}
