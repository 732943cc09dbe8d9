import type { Policy } from '@cedar-policy/cedar-wasm/nodejs';
import { type ComparedArgument, comparedArguments, mergeCompared } from './compared-arguments.ts';
import { argumentPath, conditionsOf, mentions } from './expressions.ts';
import type { PolicySets } from './policy-sets.ts';
import { actionsOf, resourceTenant } from './scope.ts';
import type { ParsedPolicy } from './sources.ts';
import { withoutArguments } from './visibility.ts';

/** The policies whose scope can match one action in one tenant; those left away could not have been evaluated. */
export interface Slice {
  /** Without a permit nothing can be allowed. */
  readonly permits: boolean;
  /** Id of the parsed set that decides. */
  readonly decide: string;
  /** Id of the parsed set that knows no arguments, and which of its policies are not merely estimates. */
  readonly visible: string;
  readonly exact: ReadonlySet<string>;
  readonly compared: readonly ComparedArgument[];
  /** Paths of the arguments that the policies read; `has` counts. */
  readonly read: readonly (readonly string[])[];
  /** The first elements of `read`; undefined: policies read the arguments as a whole. */
  readonly wanted: ReadonlySet<string> | undefined;
  /** Which facts of the request the policies read; what nobody reads cannot change an answer. */
  readonly hour: boolean;
  readonly mfaAge: boolean;
}

/** Finds the slice of a question; equal lists of policies share one, parsed when first asked. */
export function slicer(policies: readonly ParsedPolicy[], sets: PolicySets): (action: string, tenant: string) => Slice {
  const scopes = policies.map(({ json }) => ({ actions: actionsOf(json), tenant: resourceTenant(json) }));
  const byQuestion = new Map<string, Map<string | undefined, Slice>>();
  const byList = new Map<string, Slice>();
  const tenants = new Set(scopes.flatMap(({ tenant }) => tenant ?? []));
  return (action, tenant) => {
    // A tenant that no policy names has the same slice as any other such tenant.
    const named = tenants.has(tenant) ? tenant : undefined;
    const known = byQuestion.get(action)?.get(named);
    if (known) return known;
    const applies = policies.flatMap((_, index) => {
      const scope = scopes[index];
      const matches =
        (scope?.actions?.includes(action) ?? true) && (scope?.tenant === undefined || scope.tenant === named);
      return matches ? [index] : [];
    });
    const list = applies.join();
    const slice =
      byList.get(list) ??
      makeSlice(
        applies.flatMap((index) => policies[index] ?? []),
        sets,
      );
    byList.set(list, slice);
    const ofAction = byQuestion.get(action) ?? new Map<string | undefined, Slice>();
    byQuestion.set(action, ofAction.set(named, slice));
    return slice;
  };
}

function makeSlice(policies: readonly ParsedPolicy[], sets: PolicySets): Slice {
  const decide: Record<string, Policy> = {};
  const visible: Record<string, Policy> = {};
  const exact = new Set<string>();
  for (const { id, json, text } of policies) {
    decide[id] = text;
    withoutArguments(json, text).forEach((derived, index) => {
      const derivedId = `${id}~${index}`;
      visible[derivedId] = derived.policy;
      if (derived.exact) exact.add(derivedId);
    });
  }
  const conditions = policies.flatMap(({ json }) => conditionsOf(json));
  const mentioned = conditions.flatMap(mentions);
  const read = mentioned.flatMap((mention) => {
    const path = argumentPath(mention);
    return path ? [path] : [];
  });
  const reads = (fact: string) => mentioned.some(({ path }) => path.length === 0 || path[0] === fact);
  return {
    permits: policies.some(({ json }) => json.effect === 'permit'),
    decide: sets.add(decide),
    visible: sets.add(visible),
    exact,
    compared: mergeCompared(comparedArguments(conditions)),
    read,
    wanted: read.some((path) => path.length === 0) ? undefined : new Set(read.flatMap(([first]) => first ?? [])),
    hour: reads('hour'),
    mfaAge: reads('mfa_age_s'),
  };
}
