import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import { suggestion } from '../host/problems.ts';
import { conditionsOf, isExpr, literals, mentions, nodeOf, nodes, numberLiterals } from './expressions.ts';
import { find, problem } from './found.ts';
import type { Named } from './names.ts';
import { actionsOf, wildcard } from './scope.ts';
import type { ParsedPolicy } from './sources.ts';

/** What a policy must not be, whatever it names. */
export function forms(policy: ParsedPolicy, named: Named): readonly PolicyProblem[] {
  return [...wildcards(policy, named), ...numbers(policy), ...places(policy), ...labels(policy, named)];
}

function wildcards(policy: ParsedPolicy, { actions, members }: Named): readonly PolicyProblem[] {
  const found = wildcard(policy.json) ?? everything(policy.json, actions, members);
  if (!found) return [];
  const example = {
    principal: 'principal in Tenant::"…"',
    action: 'action == Action::"server/tool"',
    resource: 'resource == Tenant::"…"',
  };
  const mend = `name it in the permit's scope, as in \`${example[found.part as keyof typeof example]}\``;
  return [problem(policy, 0, 'error', `permit with its ${found.part} ${found.how}`, mend)];
}

/** A list of all that there is is a wildcard that was written out. */
function everything(
  json: PolicyJson,
  actions: Named['actions'],
  members: Named['members'],
): ReturnType<typeof wildcard> {
  if (json.effect !== 'permit') return undefined;
  const named = new Set(actionsOf(json)?.flatMap((name) => [name, ...(members.get(name) ?? [])]));
  return [...actions.keys()].every((name) => named.has(name))
    ? { part: 'action', how: 'naming every action' }
    : undefined;
}

/** Where something is, is told of the three that a question is about, and of nothing else. */
function places(policy: ParsedPolicy): readonly PolicyProblem[] {
  const strange = conditionsOf(policy.json)
    .flatMap(nodes)
    .some((node) => {
      const left = isExpr(node.in) ? node.in.left : isExpr(node.is) && node.is.in ? node.is.left : undefined;
      return isExpr(left) && !['principal', 'action', 'resource'].includes(String(left.Var));
    });
  const mend = 'ask it of principal, action or resource';
  return strange ? [problem(policy, 0, 'error', '`in` is asked of something that is in nothing', mend)] : [];
}

/** A label that no tool has would make a forbid do nothing. */
function labels(policy: ParsedPolicy, { labels: known }: Named): readonly PolicyProblem[] {
  const asked = conditionsOf(policy.json)
    .flatMap(nodes)
    .filter((node) => ['contains', 'containsAll', 'containsAny', '==', '!='].includes(nodeOf(node)[0]))
    .filter((node) => mentions(node).some(({ path: [of, list] }) => isLabelled(of, list)));
  const unknown = [...new Set(asked.flatMap(literals))].filter((label) => !known.has(label));
  return unknown.map((label) => {
    const near = suggestion(label, known);
    const mend = near ? `did you mean ${JSON.stringify(near)}?` : 'declare it: reads or writes of a tool';
    return problem(
      policy,
      find(policy, JSON.stringify(label)),
      'error',
      `no tool has the label ${JSON.stringify(label)}`,
      mend,
    );
  });
}

function isLabelled(of: string | undefined, list: string | undefined): boolean {
  return (of === 'session' || of === 'tool') && (list === 'reads' || list === 'writes');
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
