import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { actionsOfPins } from '../host/actions.ts';
import { type ParsedPolicy, parseSources } from './sources.ts';
import { validatePolicies } from './validate.ts';

/** What files of policies say. */
export interface ReadPolicies {
  readonly policies: readonly ParsedPolicy[];
  readonly problems: readonly PolicyProblem[];
}

export const isTuples = ({ file }: PolicySource): boolean => file.endsWith('.tuples');

/** Parses and validates all but the tuples: about a millisecond for each policy. */
export function readPolicies(sources: readonly PolicySource[], world: PolicyWorld): ReadPolicies {
  const { policies, problems } = parseSources(sources.filter((source) => !isTuples(source)));
  return { policies, problems: [...problems, ...validatePolicies(policies, world, actionsOfPins(world))] };
}
