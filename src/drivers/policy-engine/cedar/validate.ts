import { type DetailedError, type SchemaJson, validate } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { type ActionType, membersOf } from '../host/actions.ts';
import { indexOfByte } from '../host/problems.ts';
import { forms } from './forms.ts';
import { problem } from './found.ts';
import { labelsOf } from './labels.ts';
import { type Named, names } from './names.ts';
import { cedarSchema, contextOf } from './schema.ts';
import type { ParsedPolicy } from './sources.ts';

/** Checks policies against the pinned servers: wildcards, names, then Cedar's own strict validation. */
export function validatePolicies(
  policies: readonly ParsedPolicy[],
  world: PolicyWorld,
  actions: ReadonlyMap<string, ActionType>,
): readonly PolicyProblem[] {
  const named: Named = {
    actions,
    members: membersOf(actions),
    context: contextOf(world, actions.keys()),
    labels: labelsOf(world),
  };
  const own = policies.map((policy) => [...forms(policy, named), ...names(policy, named)]);
  const sound = policies.filter((_, index) => !own[index]?.some(({ severity }) => severity === 'error'));
  return [...own.flat(), ...cedarProblems(sound, cedarSchema(world, actions))];
}

function cedarProblems(policies: readonly ParsedPolicy[], schema: SchemaJson<string>): readonly PolicyProblem[] {
  const byId = new Map(policies.map((policy) => [policy.id, policy]));
  const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]));
  const answer = validate({ schema, policies: { staticPolicies } });
  if (answer.type === 'failure') {
    const message = answer.errors.map((error) => error.message).join('; ');
    return [
      {
        file: policies[0]?.file ?? '',
        line: 1,
        severity: 'error',
        message,
        mend: 'the policies cannot be validated against the pins',
      },
    ];
  }
  const report =
    (severity: PolicyProblem['severity']) =>
    ({ policyId, error }: { policyId: string; error: DetailedError }) => {
      const policy = byId.get(policyId);
      if (!policy) return [];
      // A forbid that can never apply is a control that does not work.
      const worse = policy.json.effect === 'forbid' && error.message.includes('policy is impossible');
      const at = indexOfByte(policy.text, error.sourceLocations?.[0]?.start ?? 0);
      const message = error.message.replace(`for policy \`${policyId}\`, `, '');
      return [
        problem(
          policy,
          at,
          worse ? 'error' : severity,
          message,
          error.help ?? 'compare it with the pinned schema of the tool',
        ),
      ];
    };
  return [...answer.validationErrors.flatMap(report('error')), ...answer.validationWarnings.flatMap(report('warning'))];
}
