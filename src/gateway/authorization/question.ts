import type { GatewayServer } from '../../contract/bundle.ts';
import { isObject, type Json } from '../../contract/json.ts';
import type { Facts, RequestFacts, SessionFacts, ToolFacts } from '../../contract/policy-engine.ts';
import type { Subject, Target, ValidParams } from '../../contract/tool-call.ts';

/** Values of `acr` that stand for a second factor: OpenID EAP 1.0 §2, REFEDS MFA, and the plain word. */
const SECOND_FACTOR: ReadonlySet<string> = new Set(['phr', 'phrh', 'https://refeds.org/profile/mfa', 'mfa']);

export const NO_HISTORY: SessionFacts = { reads: [], writes: [], calls: {}, approved: [] };
const NO_TOOL: ToolFacts = { reads: [], writes: [], step_up: false };

/** What is known beside who asks, and when. */
export interface Circumstances {
  readonly ipRisk: number | undefined;
  readonly session: SessionFacts;
}

/**
 * Everything of a question but its arguments. The tenant is the subject's own: that it is the resource's too has been
 * seen to before.
 * @param now milliseconds since the epoch
 */
export function factsOf(
  subject: Subject,
  action: string,
  server: Pick<GatewayServer, 'pins' | 'tools'>,
  now: number,
  { ipRisk, session }: Circumstances,
): Facts {
  const { id, kind, tenant, groups, acr, authTime, device } = subject;
  const secondFactor = acr !== undefined && SECOND_FACTOR.has(acr) && authTime !== undefined;
  const time = new Date(now);
  const context: RequestFacts = {
    hour: time.getUTCHours(),
    weekday: time.getUTCDay() || 7,
    mfa_age_s: secondFactor ? Math.max(0, Math.floor(now / 1000 - authTime)) : undefined,
    ip_risk: ipRisk,
    device,
    tool: toolFacts(server, action),
    session,
  };
  return { subject: { id, kind, tenant, groups, acr }, action, tenant, context };
}

/** What the configuration says of the tool that an action is. */
export function toolFacts({ pins, tools }: Pick<GatewayServer, 'pins' | 'tools'>, action: string): ToolFacts {
  const name = action.slice(pins.name.length + 1);
  const settings = action[pins.name.length] === '/' && Object.hasOwn(tools, name) ? tools[name] : undefined;
  if (settings === undefined) return NO_TOOL;
  return {
    reads: settings.reads ?? [],
    writes: settings.writes ?? [],
    step_up: settings.step_up !== undefined,
  };
}

/** What policies see as `context.args`: a tool's arguments, a resource's `uri`, a prompt's `name`, else nothing. */
export function argumentsOf(target: Target, params: ValidParams): Json | undefined {
  switch (target.method) {
    case 'tools/call':
      return params.arguments;
    case 'resources/read':
    case 'resources/subscribe':
      return pick(target.params, 'uri');
    case 'prompts/get':
      return pick(target.params, 'name');
    case 'resources/list':
    case 'completion/complete':
      return {};
  }
}

function pick(params: Json, name: string): Json {
  const value = isObject(params) && Object.hasOwn(params, name) ? params[name] : undefined;
  return value === undefined ? {} : { [name]: value };
}
