import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { declaresTasks, TASKS_REQUIRED } from '../../contract/task.ts';
import type { Frame, TaskWish } from '../../contract/tool-call.ts';

/** The only revision in which a client asks for a task, and a tool says what it thinks of that. */
const WITH_TASKS = '2025-11-25';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

export type TaskSupport = 'optional' | 'required' | 'forbidden';

/**
 * Whether a call of a tool is to be a task from its beginning: in 2025-11-25 the client wishes it, from 2026-07-28 on the
 * server's side decides, for clients that know tasks. Undefined: it is a call.
 * @throws Refusal unknown-method where the pinned descriptor does not offer what the client wants (MCP 2025-11-25,
 * Tool-Level Negotiation); missing-capability where it needs what a client of 2026-07-28 does not know; params
 */
export function taskWish({ revision, modern, params }: Frame, tasks: TaskSupport): TaskWish | undefined {
  const required = tasks === 'required';
  if (modern) {
    if (tasks === 'forbidden') return undefined;
    const meta = params?._meta;
    if (isObject(meta) && declaresTasks(meta[CAPABILITIES])) return { ttl: undefined, atServer: required };
    if (required) throw new Refusal('missing-capability', 'its server makes tasks of all calls', TASKS_REQUIRED);
    return undefined;
  }
  const task = revision === WITH_TASKS ? params?.task : undefined;
  if (task === undefined) {
    if (required) throw new Refusal('unknown-method', 'a task or nothing is made of calls to this tool');
    return undefined;
  }
  const ttl = ttlOf(task);
  if (tasks === 'forbidden') throw new Refusal('unknown-method', 'no task can be made of calls to this tool');
  return { ttl, atServer: required };
}

function ttlOf(task: Json): number | undefined {
  if (!isObject(task)) throw new Refusal('params', 'task is no object');
  const { ttl = null } = task;
  if (ttl !== null && !(typeof ttl === 'number' && Number.isSafeInteger(ttl) && ttl >= 0))
    throw new Refusal('params', 'a ttl that is no number of milliseconds');
  return ttl ?? undefined;
}

/** What a tool of a server of that revision says of tasks; where it says nothing, it forbids them. @param raw descriptor */
export function taskSupport(raw: string, revision: string): TaskSupport {
  if (revision !== WITH_TASKS) return 'forbidden';
  const { execution }: JsonObject = JSON.parse(raw);
  const said = isObject(execution) ? execution.taskSupport : undefined;
  return said === 'optional' || said === 'required' ? said : 'forbidden';
}
