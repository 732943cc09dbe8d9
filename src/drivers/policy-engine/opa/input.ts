import type { Json, JsonObject } from '../../../contract/json.ts';
import type { Facts, Question } from '../../../contract/policy-engine.ts';
import { resourceUid } from '../../../contract/resource-mapping.ts';
import type { ActionType } from '../host/actions.ts';

/** What lists do not know; below it, partial evaluation leaves open what it is. */
const UNKNOWN = ['context.args', 'context.session', 'context.ip_risk'];
const UNKNOWN_RESOURCE = ['resource.id', 'resource.project'];

/** A question as policies read it. */
export function inputOf(question: Question, action: ActionType): JsonObject {
  const { type, id, within } = resourceUid(question.tenant, question.resource);
  const project = type === 'Project' ? id : within.find((one) => one.type === 'Project')?.id;
  const { ip_risk, session } = question.context;
  const input = known(question, action);
  return {
    ...input,
    resource: { type, id, tenant: question.tenant, ...(project !== undefined && { project }) },
    context: {
      ...(input.context as JsonObject),
      args: question.arguments ?? {},
      ...(ip_risk !== undefined && { ip_risk }),
      session: { ...session } as unknown as Json,
    },
  };
}

/** A question about any arguments, from anywhere, after whatever has happened; and what of it is open. */
export function openInputOf(
  facts: Facts,
  action: ActionType,
): { readonly input: JsonObject; readonly unknowns: readonly string[] } {
  const { tenant } = facts;
  const isTenant = action.resource === 'Tenant';
  const resource = { type: action.resource, tenant, ...(isTenant && { id: tenant }) };
  const unknowns = [...UNKNOWN, ...(isTenant ? [] : UNKNOWN_RESOURCE)].map((path) => `input.${path}`);
  return { input: { ...known(facts, action), resource }, unknowns };
}

function known({ subject, action, context }: Facts, { groups }: ActionType): JsonObject {
  const { hour, weekday, mfa_age_s, device, tool } = context;
  return {
    principal: {
      ...{ type: subject.kind, id: subject.id, tenant: subject.tenant, groups: [...subject.groups] },
      ...(subject.acr !== undefined && { acr: subject.acr }),
    },
    action,
    action_groups: [...groups],
    context: {
      ...{ hour, weekday },
      ...(mfa_age_s !== undefined && { mfa_age_s }),
      ...(device !== undefined && { device }),
      tool: { reads: [...tool.reads], writes: [...tool.writes], step_up: tool.step_up },
    },
  };
}
