import { isObject, type Json } from '../../contract/json.ts';
import type { Question } from '../../contract/policy-engine.ts';
import type { Subject, Target, ValidParams } from '../../contract/tool-call.ts';

/** Values of `acr` that stand for a second factor: OpenID EAP 1.0 §2, REFEDS MFA, and the plain word. */
const SECOND_FACTOR: ReadonlySet<string> = new Set(['phr', 'phrh', 'https://refeds.org/profile/mfa', 'mfa']);

/**
 * Everything of a question but its arguments. The tenant is the subject's own: that it is the resource's too has been
 * seen to before.
 * @param now milliseconds since the epoch
 */
export function factsOf(subject: Subject, action: string, now: number): Omit<Question, 'arguments'> {
  const { id, kind, tenant, groups, acr, authTime } = subject;
  const secondFactor = acr !== undefined && SECOND_FACTOR.has(acr) && authTime !== undefined;
  return {
    subject: { id, kind, tenant, groups, acr },
    action,
    tenant,
    context: {
      hour: new Date(now).getUTCHours(),
      mfa_age_s: secondFactor ? Math.max(0, Math.floor(now / 1000 - authTime)) : undefined,
    },
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
