import type { PinnedServer } from '../../contract/descriptors.ts';
import { isObject, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { TASKS_EXTENSION } from '../../contract/task.ts';
import type { Frame, Framed, Subject } from '../../contract/tool-call.ts';
import { SUPPORTED } from './revision.ts';

export interface LifecycleDeps {
  /** Of innerkeep. */
  readonly version: string;
  /** The servers that a subject may see, of all or of the one that is named. */
  readonly servers: (subject: Subject, only: string | undefined) => Promise<readonly PinnedServer[]>;
}

/**
 * Answers `initialize`, `ping` and `server/discover`: the gateway is itself the MCP server that the client sees, by
 * innerkeep's name on `/mcp`, by the pinned server's on `/mcp/SERVER`. Gives the raw result.
 */
export function lifecycle(deps: LifecycleDeps): (call: Framed) => Promise<string> {
  return async (call) => {
    const { method, params, revision } = call.frame;
    if (method === 'ping') return '{}';
    if (method === 'initialize' && typeof params?.protocolVersion !== 'string') {
      throw new Refusal('params', 'initialize without a protocolVersion');
    }
    const self = await describe(call, deps);
    if (method === 'initialize') {
      const { serverInfo, ...rest } = self;
      return JSON.stringify({ protocolVersion: revision, serverInfo, ...rest });
    }
    if (method === 'server/discover') {
      const { serverInfo, ...rest } = self;
      return JSON.stringify({
        resultType: 'complete',
        supportedVersions: SUPPORTED,
        ...rest,
        ttlMs: 0,
        cacheScope: 'private',
        _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
      });
    }
    throw new Refusal('unknown-method', method);
  };
}

/** Tasks are the gateway's own, whatever its servers know of them. */
const TASKS = { list: {}, cancel: {}, requests: { tools: { call: {} } } } as const;

interface Self {
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions?: string;
}

async function describe({ arrived, subject, frame }: Framed, deps: LifecycleDeps): Promise<Self> {
  const servers = await deps.servers(subject, arrived.server);
  const capabilities = capabilitiesOf(servers, frame);
  const one = arrived.server === undefined ? undefined : servers[0];
  if (one === undefined) return { serverInfo: { name: 'innerkeep', version: deps.version }, capabilities };
  const { serverInfo, instructions } = one;
  return { serverInfo, capabilities, ...(instructions === undefined ? {} : { instructions }) };
}

/**
 * What the gateway serves of what these servers can; anything else that a server can do is not announced. That a list
 * has changed is told by the gateway itself, whatever its servers tell. So is the level of log messages kept by it for
 * a session; without sessions it is the request that asks, and a server that can.
 */
function capabilitiesOf(
  servers: readonly PinnedServer[],
  { modern, revision }: Frame,
): Readonly<Record<string, JsonObject>> {
  const has = (name: string) => servers.some(({ capabilities }) => Object.hasOwn(capabilities, name));
  const subscribe = servers.some(
    ({ capabilities: { resources } }) => isObject(resources) && resources.subscribe === true,
  );
  return {
    ...(has('tools') ? { tools: { listChanged: true } } : {}),
    ...(has('tools') && revision === '2025-11-25' ? { tasks: TASKS } : {}),
    ...(has('tools') && modern ? { extensions: { [TASKS_EXTENSION]: {} } } : {}),
    ...(has('prompts') ? { prompts: { listChanged: true } } : {}),
    // What is cut off a tool's answer is read as a resource, also where no server has any.
    ...(has('resources') || has('tools')
      ? { resources: { listChanged: true, ...(subscribe ? { subscribe } : {}) } }
      : {}),
    ...(has('completions') ? { completions: {} } : {}),
    ...(!modern || has('logging') ? { logging: {} } : {}),
  };
}
