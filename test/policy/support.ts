import type { PinnedDescriptor, PinnedServer } from '../../src/contract/descriptors.ts';
import type { Json } from '../../src/contract/json.ts';
import type {
  PromptEngine,
  Question,
  ResourceFacts,
  SessionFacts,
  ToolFacts,
  Verdict,
} from '../../src/contract/policy-engine.ts';
import type { PolicyWorld } from '../../src/contract/policy-world.ts';
import { type LoadedPolicies, loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';

export function tool(
  name: string,
  properties: Json,
  required: readonly string[] = [],
  more: object = {},
  readOnlyHint = false,
): PinnedDescriptor {
  return {
    name,
    raw: JSON.stringify({
      name,
      inputSchema: { type: 'object', properties, required, ...more },
      annotations: { readOnlyHint },
    }),
    digest: 'sha256-',
  };
}

export function server(name: string, tools: readonly PinnedDescriptor[]): PinnedServer {
  return {
    name,
    protocolVersion: '2025-11-25',
    capabilities: {},
    serverInfo: {},
    tools,
    prompts: [],
    resourceTemplates: [],
  };
}

const path = { path: { type: 'string' } };

/** Shaped like the reference file server. */
export const files = server('files', [
  tool('read_text_file', { ...path, head: { type: 'number' }, tail: { type: 'number' } }, ['path']),
  tool('list_directory', path, ['path']),
  tool('write_file', { ...path, content: { type: 'string' } }, ['path', 'content']),
  tool('read_multiple_files', { paths: { type: 'array', items: { type: 'string' } } }, ['paths']),
]);

/** contract: this must load and work as it stands. */
export const PUBLIC_FILES = `permit (
  principal in Tenant::"acme",
  action in [Action::"files/read_text_file", Action::"files/list_directory"],
  resource == Tenant::"acme"
) when { context.args.path like "/data/public/*" };
`;

export function load(text: string, servers: readonly PinnedServer[] = [files]): LoadedPolicies {
  return loadCedar([{ file: 'test.cedar', text }], worldWith(servers));
}

/** Servers without settings, at a gateway that is told all facts. */
export function worldWith(servers: readonly PinnedServer[]): PolicyWorld {
  return { servers: servers.map((pins) => ({ pins })), facts: { ip_risk: true, device: true } };
}

/** The engine for policies that must be without problems. */
export function engineOf(text: string, servers: readonly PinnedServer[] = [files]): PromptEngine {
  const { engine, problems } = load(text, servers);
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return engine;
}

interface Asked {
  readonly action?: string;
  readonly tenant?: string;
  readonly id?: string;
  readonly kind?: 'User' | 'Workload';
  readonly groups?: readonly string[];
  readonly acr?: string;
  readonly hour?: number;
  readonly mfaAge?: number;
  readonly ipRisk?: number;
  readonly device?: string;
  readonly session?: Partial<SessionFacts>;
  readonly tool?: Partial<ToolFacts>;
  readonly resource?: ResourceFacts;
}

export function question(args: Json | undefined, asked: Asked = {}): Question {
  const tenant = asked.tenant ?? 'acme';
  return {
    subject: {
      id: asked.id ?? 'alice',
      kind: asked.kind ?? 'User',
      tenant,
      groups: asked.groups ?? [],
      acr: asked.acr,
    },
    action: asked.action ?? 'files/read_text_file',
    tenant,
    arguments: args,
    ...(asked.resource && { resource: asked.resource }),
    context: {
      hour: asked.hour ?? 12,
      weekday: 7,
      mfa_age_s: asked.mfaAge,
      ip_risk: asked.ipRisk ?? 0,
      device: asked.device,
      tool: { reads: [], writes: [], step_up: false, ...asked.tool },
      session: { reads: [], writes: [], calls: {}, approved: [], ...asked.session },
    },
  };
}

export function decide(engine: PromptEngine, args: Json | undefined, asked: Asked = {}): Verdict {
  return engine.decide(question(args, asked));
}
