import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { declaresTasks, TASKS_ALONE, TASKS_REQUIRED } from '../../contract/task.ts';
import type { Frame } from '../../contract/tool-call.ts';

/** What a server may ask of a client in mid-call: the capability that each needs (MCP 2026-07-28, Client Capabilities). */
const CAPABILITY = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
} as const;

export type EmbeddedMethod = keyof typeof CAPABILITY;

/** The parts of a capability that the protocol knows. */
const PARTS = { elicitation: ['form', 'url'], sampling: ['context', 'tools'], roots: [] } as const;

export function isEmbeddedMethod(method: string): method is EmbeddedMethod {
  return Object.hasOwn(CAPABILITY, method);
}

/**
 * The capabilities that a server is told of: those under which it may ask. Others would promise what goes nowhere.
 * @param tasks whether it may make a task of the call
 */
export function toldCapabilities(capabilities: JsonObject, tasks: boolean): string {
  if (!mayBeAsked(capabilities)) return tasks ? TASKS_ALONE : NONE;
  const { elicitation, sampling, roots } = capabilities;
  return JSON.stringify({
    ...(isObject(elicitation) && { elicitation }),
    ...(isObject(sampling) && { sampling }),
    // Changes of roots are not relayed.
    ...(isObject(roots) && { roots: {} }),
    ...(tasks && TASKS_REQUIRED.requiredCapabilities),
  });
}

const NONE = '{}';

export function mayBeAsked({ elicitation, sampling, roots }: JsonObject): boolean {
  return elicitation !== undefined || sampling !== undefined || roots !== undefined;
}

/**
 * Whether a server may make a task of the call. A client of 2026-07-28 must know tasks: it is told of the gateway's own.
 * For an older one the server's is waited for.
 */
export function mayBeTask({ modern, method }: Frame, capabilities: JsonObject): boolean {
  return method === 'tools/call' && (!modern || declaresTasks(capabilities));
}

/** What a server named as required, reduced to what the protocol knows: it goes to the client. */
export function knownCapabilities(required: Json | undefined): JsonObject {
  const known: Record<string, Json> = {};
  for (const [name, parts] of Object.entries(PARTS)) {
    const own = isObject(required) && Object.hasOwn(required, name) ? required[name] : undefined;
    if (isObject(own))
      known[name] = Object.fromEntries(parts.flatMap((part) => (isObject(own[part]) ? [[part, {}]] : [])));
  }
  return declaresTasks(required) ? { ...known, ...TASKS_REQUIRED.requiredCapabilities } : known;
}

/**
 * The capability that a client lacks for a request with these params; undefined: it lacks none. `elicitation` without
 * parts means forms; context and tools have to be declared (MCP 2025-11-25, Elicitation and Sampling).
 */
export function missingCapability(
  declared: JsonObject,
  method: EmbeddedMethod,
  params: JsonObject,
): JsonObject | undefined {
  const name = CAPABILITY[method];
  const own = Object.hasOwn(declared, name) ? declared[name] : undefined;
  const needed = neededParts(method, params);
  const lacks = (part: string): boolean => {
    if (!isObject(own)) return true;
    if (part === 'form') return own.form === undefined && own.url !== undefined;
    return !isObject(own[part]);
  };
  if (isObject(own) && !needed.some(lacks)) return undefined;
  const named = needed.filter((part) => part !== 'form');
  return { [name]: Object.fromEntries(named.map((part) => [part, {}])) };
}

function neededParts(method: EmbeddedMethod, params: JsonObject): readonly string[] {
  if (method === 'elicitation/create') return [params.mode === 'url' ? 'url' : 'form'];
  if (method === 'roots/list') return [];
  const { includeContext, tools, toolChoice } = params;
  return [
    ...(includeContext !== undefined && includeContext !== 'none' ? ['context'] : []),
    ...(tools !== undefined || toolChoice !== undefined ? ['tools'] : []),
  ];
}
