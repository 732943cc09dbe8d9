import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { actionsOf, holds, type PartScope, type Placed, partScope } from './scope.ts';
import type { ParsedPolicy } from './sources.ts';

/**
 * The places, in the list, of the policies whose scope is true of an action and is said to be of the resource. What is left away has a
 * scope that is false, and Cedar looks at nothing else of such a policy: neither an answer nor an error of it is missed.
 * @param members the actions of each group of actions
 */
export function byActionAndResource(
  policies: readonly ParsedPolicy[],
  members: ReadonlyMap<string, readonly string[]>,
): (action: string, isAbout: (policy: PolicyJson) => boolean) => readonly number[] {
  const ofAction = new Map<string, number[]>();
  const ofEvery: number[] = [];
  for (const [at, { json }] of policies.entries()) {
    const named = actionsOf(json);
    const below = json.action.op === 'in' ? named?.flatMap((name) => members.get(name) ?? []) : [];
    if (named === undefined) ofEvery.push(at);
    for (const action of new Set([...(named ?? []), ...(below ?? [])])) listOf(ofAction, action).push(at);
  }
  return (action, isAbout) =>
    [...ofEvery, ...(ofAction.get(action) ?? [])]
      .filter((at) => policies[at] !== undefined && isAbout(policies[at].json))
      .sort((a, b) => a - b);
}

/** The same of a principal, among some of the policies. */
export function byPrincipal(
  policies: readonly ParsedPolicy[],
  among: readonly number[],
): (principal: Placed) => readonly number[] {
  const scopes = new Map(among.map((at) => [at, policies[at] && partScope(policies[at].json.principal)]));
  const named = new Map<string, number[]>();
  for (const [at, scope] of scopes) listOf(named, scope?.entity ?? '').push(at);
  return (principal) => {
    const found: number[] = [];
    for (const name of ['', principal.name, ...principal.ancestors])
      for (const at of named.get(name) ?? []) if (isTrue(scopes.get(at), principal)) found.push(at);
    return found.sort((a, b) => a - b);
  };
}

function isTrue(scope: PartScope | undefined, entity: Placed): boolean {
  return scope !== undefined && holds(scope, entity);
}

function listOf(lists: Map<string, number[]>, name: string): number[] {
  const known = lists.get(name);
  if (known !== undefined) return known;
  const list: number[] = [];
  lists.set(name, list);
  return list;
}
