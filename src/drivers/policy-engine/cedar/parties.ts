import type { Facts, Question } from '../../../contract/policy-engine.ts';
import { resourceUid } from '../../../contract/resource-mapping.ts';
import type { ActionType } from '../host/actions.ts';
import type { Relations } from './relations.ts';
import { nameOf, type Placed, type Uid } from './scope.ts';

/** The entities that a question is about. */
export interface Parties {
  readonly principal: Placed;
  readonly action: Placed;
  readonly resource: Placed;
}

interface Known {
  readonly actions: ReadonlyMap<string, ActionType>;
  readonly relations: Relations;
}

const NOTHING: ReadonlySet<string> = new Set();

/** @throws Error when the principal is in too many groups to be judged by */
export function partiesOf({ actions, relations }: Known, { subject, action }: Facts, resource: Placed): Parties {
  const uid = { type: subject.kind, id: subject.id };
  const parents = [{ type: 'Tenant', id: subject.tenant }, ...subject.groups.map((id) => ({ type: 'Group', id }))];
  const groups = actions.get(action)?.groups.map((id) => nameOf({ type: 'Action', id })) ?? [];
  return {
    principal: placed(uid, relations.ancestors(nameOf(uid), parents.map(nameOf))),
    action: placed({ type: 'Action', id: action }, groups.length === 0 ? NOTHING : new Set(groups)),
    resource,
  };
}

export function resourceOf({ tenant, resource }: Question): Placed {
  const { type, id, within } = resourceUid(tenant, resource);
  return placed({ type, id }, new Set(within.map(nameOf)));
}

export function placed(uid: Uid, ancestors: ReadonlySet<string> = NOTHING): Placed {
  return { uid, name: nameOf(uid), ancestors };
}
