import type { PinnedServer } from '../../contract/descriptors.ts';
import type { JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Framed, Subject } from '../../contract/tool-call.ts';
import { SUPPORTED } from './revision.ts';

/** What the gateway serves at all; anything else that a server can do is not announced. */
const CAPABILITIES = ['tools', 'prompts', 'resources', 'completions'] as const;

export interface LifecycleDeps {
  /** Of innerkeep. */
  readonly version: string;
  /** The servers that a subject may see, of all or of the one that is named. */
  readonly servers: (subject: Subject, only: string | undefined) => readonly PinnedServer[];
}

/**
 * Answers `initialize`, `ping` and `server/discover`: the gateway is itself the MCP server that the client sees, by
 * innerkeep's name on `/mcp`, by the pinned server's on `/mcp/SERVER`. Gives the raw result.
 */
export function lifecycle(deps: LifecycleDeps): (call: Framed) => string {
  return (call) => {
    const { method, params, revision } = call.frame;
    if (method === 'ping') return '{}';
    if (method === 'initialize' && typeof params?.protocolVersion !== 'string') {
      throw new Refusal('params', 'initialize without a protocolVersion');
    }
    const self = describe(call, deps);
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

interface Self {
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions?: string;
}

function describe({ arrived, subject }: Framed, deps: LifecycleDeps): Self {
  const servers = deps.servers(subject, arrived.server);
  const capabilities: Record<string, JsonObject> = {};
  for (const name of CAPABILITIES) {
    if (servers.some((server) => Object.hasOwn(server.capabilities, name))) capabilities[name] = {};
  }
  const one = arrived.server === undefined ? undefined : servers[0];
  if (one === undefined) return { serverInfo: { name: 'innerkeep', version: deps.version }, capabilities };
  const { serverInfo, instructions } = one;
  return { serverInfo, capabilities, ...(instructions === undefined ? {} : { instructions }) };
}
