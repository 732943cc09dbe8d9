import type { EntityUidJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

function idOf(uid: EntityUidJson): { readonly type: string; readonly id: string } {
  return '__entity' in uid ? uid.__entity : uid;
}

/** The actions that the policy's scope names; undefined: all. */
export function actionsOf({ action }: PolicyJson): readonly string[] | undefined {
  if (action.op === 'All') return undefined;
  if (action.op === 'in') return ('entities' in action ? action.entities : [action.entity]).map((uid) => idOf(uid).id);
  return 'entity' in action ? [idOf(action.entity).id] : [];
}

/** The one tenant that the scope confines the resource to (`==`, or `in`: a tenant is in nothing but itself). */
export function resourceTenant({ resource }: PolicyJson): string | undefined {
  if ((resource.op === '==' || resource.op === 'in') && 'entity' in resource) {
    const { type, id } = idOf(resource.entity);
    if (type === 'Tenant') return id;
  }
  return undefined;
}

/** Which part of a permit's scope is a wildcard, and how (authz.no-wildcards). */
export function wildcard(policy: PolicyJson): { readonly part: string; readonly how: string } | undefined {
  if (policy.effect !== 'permit') return undefined;
  for (const part of ['principal', 'action', 'resource'] as const) {
    const scope = policy[part];
    if (scope.op === 'All') return { part, how: 'unconstrained' };
    if (scope.op === 'is' && !('in' in scope && scope.in)) return { part, how: 'constrained by type alone' };
  }
  return undefined;
}
