import type { PolicyWorld } from '../../../contract/policy-world.ts';
import type { ActionType } from '../host/actions.ts';

/** What there is of a question, by its path; `true` is a value, whatever is below it. */
type Tree = { readonly [name: string]: Tree | true };

/** What policies can read as `input`: the same that Cedar is asked. */
export function inputOf({ facts }: PolicyWorld, actions: ReadonlyMap<string, ActionType>): Tree {
  const args: Record<string, true> = {};
  for (const { args: declared, untyped } of actions.values()) {
    for (const name of declared.attributes.keys()) args[name] = true;
    for (const {
      path: [name = ''],
    } of untyped)
      args[name] = true;
  }
  return {
    principal: { type: true, id: true, tenant: true, groups: true, acr: true },
    action: true,
    action_groups: true,
    resource: { type: true, id: true, tenant: true, project: true },
    context: {
      args,
      ...{ hour: true, weekday: true, mfa_age_s: true },
      ...(facts.ip_risk && { ip_risk: true }),
      ...(facts.device && { device: true }),
      tool: { reads: true, writes: true, step_up: true },
      session: { reads: true, writes: true, calls: true, approved: true },
    },
  };
}

/**
 * What is wrong with a reference to `input`: it has to lead to a value that there is, by names that can be read in the policy.
 * @param path without `input` itself; undefined for each part that is not constant
 * @returns the part, and what there is in its place; undefined: nothing is wrong
 */
export function strangeness(
  tree: Tree,
  path: readonly (string | undefined)[],
): { readonly message: string; readonly name: string; readonly known: readonly string[] } | undefined {
  let here: Tree | true = tree;
  for (const [index, name] of path.entries()) {
    if (here === true) return undefined;
    const known = Object.keys(here);
    const before = ['input', ...path.slice(0, index)].join('.');
    if (name === undefined)
      return { message: `${before} is read by a name that is not written there`, name: '', known };
    const next: Tree | true | undefined = Object.hasOwn(here, name) ? here[name] : undefined;
    if (next === undefined) return { message: `there is no ${before}.${name}`, name, known };
    here = next;
  }
  if (here === true) return undefined;
  return { message: `${['input', ...path].join('.')} is read as a whole`, name: '', known: Object.keys(here) };
}
