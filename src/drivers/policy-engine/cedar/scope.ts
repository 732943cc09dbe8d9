import type {
  EntityUidJson,
  PolicyJson,
  PrincipalConstraint,
  ResourceConstraint,
} from '@cedar-policy/cedar-wasm/nodejs';

export interface Uid {
  readonly type: string;
  readonly id: string;
}

/** One text for one entity: no type has a line break. */
export function nameOf({ type, id }: Uid): string {
  return `${type}\n${id}`;
}

export function uidOf(name: string): Uid {
  const end = name.indexOf('\n');
  return { type: name.slice(0, end), id: name.slice(end + 1) };
}

/** An entity of a question, with all that it is in. */
export interface Placed {
  readonly uid: Uid;
  readonly name: string;
  readonly ancestors: ReadonlySet<string>;
}

/** What one part of a scope asks of an entity. */
export interface PartScope {
  /** Name of the entity that it has to be; undefined: of none. */
  readonly entity: string | undefined;
  /** To be in that entity is enough. */
  readonly within: boolean;
  readonly type: string | undefined;
}

function plain(uid: EntityUidJson): Uid {
  return '__entity' in uid ? uid.__entity : uid;
}

/** The actions, and groups of actions, that the policy's scope names; undefined: all. */
export function actionsOf({ action }: PolicyJson): readonly string[] | undefined {
  if (action.op === 'All') return undefined;
  if (action.op === 'in') return ('entities' in action ? action.entities : [action.entity]).map((uid) => plain(uid).id);
  return 'entity' in action ? [plain(action.entity).id] : [];
}

export function partScope(part: PrincipalConstraint | ResourceConstraint): PartScope {
  const entity = (of: object) => ('entity' in of ? nameOf(plain(of.entity as EntityUidJson)) : undefined);
  switch (part.op) {
    case 'All':
      return { entity: undefined, within: false, type: undefined };
    case 'is':
      return { entity: part.in && entity(part.in), within: true, type: part.entity_type };
    default:
      return { entity: entity(part), within: part.op === 'in', type: undefined };
  }
}

/** Whether Cedar finds this part of a scope true of the entity. */
export function holds({ entity, within, type }: PartScope, { uid, name, ancestors }: Placed): boolean {
  if (type !== undefined && type !== uid.type) return false;
  return entity === undefined || entity === name || (within && ancestors.has(entity));
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
