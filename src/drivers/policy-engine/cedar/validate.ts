import { type DetailedError, type SchemaJson, validate } from '@cedar-policy/cedar-wasm/nodejs';
import type { ActionType } from './actions.ts';
import type { ArgumentType, RecordType, Untyped } from './argument-types.ts';
import { argumentPath, conditionsOf, entities, type Mention, mentions, numberLiterals } from './expressions.ts';
import { indexOfByte, type PolicyProblem, positions, suggestion } from './problems.ts';
import { CONTEXT, cedarSchema } from './schema.ts';
import { actionsOf, wildcard } from './scope.ts';
import type { ParsedPolicy } from './sources.ts';

/** Checks policies against the pinned servers: wildcards, names, then Cedar's own strict validation. */
export function validatePolicies(
  policies: readonly ParsedPolicy[],
  actions: ReadonlyMap<string, ActionType>,
): readonly PolicyProblem[] {
  const own = policies.map((policy) => [...wildcards(policy), ...numbers(policy), ...names(policy, actions)]);
  const sound = policies.filter((_, index) => !own[index]?.some(({ severity }) => severity === 'error'));
  return [...own.flat(), ...cedarProblems(sound, cedarSchema(actions))];
}

function problem(
  policy: ParsedPolicy,
  at: number,
  severity: PolicyProblem['severity'],
  message: string,
  mend: string,
): PolicyProblem {
  return { file: policy.file, ...positions(policy.source)(policy.start + at), severity, message, mend };
}

/** Where the policy's text first has `needle`; its beginning when it is written otherwise. */
function find(policy: ParsedPolicy, needle: string): number {
  return Math.max(0, policy.text.indexOf(needle));
}

function wildcards(policy: ParsedPolicy): readonly PolicyProblem[] {
  const found = wildcard(policy.json);
  if (!found) return [];
  const example = {
    principal: 'principal in Tenant::"…"',
    action: 'action == Action::"server/tool"',
    resource: 'resource == Tenant::"…"',
  };
  const mend = `name it in the permit's scope, as in \`${example[found.part as keyof typeof example]}\``;
  return [problem(policy, 0, 'error', `permit with its ${found.part} ${found.how}`, mend)];
}

/** Cedar's integers have 64 bits, those that JavaScript can hand on exactly 54. */
function numbers(policy: ParsedPolicy): readonly PolicyProblem[] {
  const inexact = conditionsOf(policy.json)
    .flatMap(numberLiterals)
    .some((value) => !Number.isSafeInteger(value));
  return inexact
    ? [problem(policy, 0, 'error', 'an integer beyond 9007199254740991', 'compare with a smaller one')]
    : [];
}

function names(policy: ParsedPolicy, actions: ReadonlyMap<string, ActionType>): readonly PolicyProblem[] {
  const conditions = conditionsOf(policy.json);
  const named = [
    ...(actionsOf(policy.json) ?? []),
    ...conditions.flatMap(entities).flatMap(({ type, id }) => (type === 'Action' ? [id] : [])),
  ];
  const unknown = [...new Set(named)].filter((name) => !actions.has(name));
  if (unknown.length > 0)
    return unknown.map((name) => {
      const near = suggestion(name, actions.keys());
      const mend = near ? `did you mean Action::${JSON.stringify(near)}?` : 'see `innerkeep tools` for the pinned ones';
      return problem(
        policy,
        find(policy, JSON.stringify(name)),
        'error',
        `no pinned server has the action ${JSON.stringify(name)}`,
        mend,
      );
    });
  const scope = actionsOf(policy.json) ?? [...actions.keys()];
  const read = new Map(conditions.flatMap(mentions).map((mention) => [JSON.stringify(mention.path), mention]));
  return [...read.values()].flatMap((mention) => mentioned(policy, mention, scope, actions));
}

/** A name that is only asked for by `has` satisfies Cedar's validation, and would make a forbid do nothing. */
function mentioned(
  policy: ParsedPolicy,
  mention: Mention,
  scope: readonly string[],
  actions: ReadonlyMap<string, ActionType>,
): readonly PolicyProblem[] {
  const last = mention.path.at(-1) ?? '';
  const [first] = mention.path;
  if (first === undefined) return [];
  const path = argumentPath(mention);
  if (!path) {
    if (first in CONTEXT) return [];
    const near = suggestion(first, ['args', ...Object.keys(CONTEXT)]);
    const mend = near ? `did you mean context.${near}?` : `there are args, ${Object.keys(CONTEXT).join(', ')}`;
    return [problem(policy, find(policy, first), 'error', `context has no ${JSON.stringify(first)}`, mend)];
  }
  const found = scope.flatMap((name) => {
    const action = actions.get(name);
    return action ? [{ name, ...look(path, action) }] : [];
  });
  const leftOut = found.flatMap(({ name, untyped }) =>
    untyped ? [`${untyped.path.join('.')} of ${name} is ${untyped.why}`] : [],
  );
  const at = find(policy, last);
  const argument = `argument ${JSON.stringify(path.join('.'))}`;
  if (found.length === 0 || found.some(({ typed }) => typed)) {
    const mend = 'a call that carries it is denied where this policy applies; name the actions to narrow it';
    return leftOut.length > 0
      ? [problem(policy, at, 'warning', `Cedar cannot see the ${argument} everywhere: ${leftOut.join('; ')}`, mend)]
      : [];
  }
  if (leftOut.length > 0)
    return [
      problem(
        policy,
        at,
        'error',
        `Cedar cannot see the ${argument}: ${leftOut.join('; ')}`,
        'decide by other arguments',
      ),
    ];
  const near = suggestion(last, new Set(found.flatMap(({ siblings }) => siblings)));
  const mend = near ? `did you mean ${JSON.stringify(near)}?` : "see the tool's pinned inputSchema";
  return [problem(policy, at, 'error', `no action in this policy's scope has the ${argument}`, mend)];
}

/** Follows a path through an action's arguments: typed, left out, or the names that exist where it ends. */
function look(
  path: readonly string[],
  action: ActionType,
): { typed: boolean; untyped?: Untyped; siblings: readonly string[] } {
  let here: ArgumentType = action.args;
  for (const [index, name] of path.entries()) {
    if (here.kind !== 'Record') return { typed: false, siblings: [] };
    const record: RecordType = here;
    const attribute = record.attributes.get(name);
    if (!attribute) {
      const prefix = path.slice(0, index + 1).join('\n');
      const untyped = action.untyped.find((row) => row.path.join('\n') === prefix);
      return { typed: false, siblings: [...record.attributes.keys()], ...(untyped && { untyped }) };
    }
    here = attribute.type;
  }
  return { typed: true, siblings: [] };
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
