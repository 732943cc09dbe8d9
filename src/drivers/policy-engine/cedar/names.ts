import type { TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { ActionType } from '../host/actions.ts';
import type { ArgumentType, RecordType, Untyped } from '../host/argument-types.ts';
import { suggestion } from '../host/problems.ts';
import { argumentPath, conditionsOf, entities, type Mention, mentions } from './expressions.ts';
import { find, problem } from './found.ts';
import { actionsOf } from './scope.ts';
import type { ParsedPolicy } from './sources.ts';

/** What a policy may name. */
export interface Named {
  readonly actions: ReadonlyMap<string, ActionType>;
  readonly members: ReadonlyMap<string, readonly string[]>;
  readonly context: Readonly<Record<string, TypeOfAttribute<string>>>;
  readonly labels: ReadonlySet<string>;
}

/** Actions, arguments and facts that are not there, each with the nearest that is. */
export function names(policy: ParsedPolicy, named: Named): readonly PolicyProblem[] {
  const { actions, members } = named;
  const conditions = conditionsOf(policy.json);
  const asked = [
    ...(actionsOf(policy.json) ?? []),
    ...conditions.flatMap(entities).flatMap(({ type, id }) => (type === 'Action' ? [id] : [])),
  ];
  // A group is nothing that is done: only `in` can ask for it.
  const isGroup = (name: string) => members.has(name) && policy.json.action.op !== '==';
  const unknown = [...new Set(asked)].filter((name) => !actions.has(name) && !isGroup(name));
  if (unknown.length > 0)
    return unknown.map((name) => {
      const near = suggestion(name, [...actions.keys(), ...members.keys()]);
      const mend = near ? `did you mean Action::${JSON.stringify(near)}?` : 'see `innerkeep tools` for the pinned ones';
      return problem(
        policy,
        find(policy, JSON.stringify(name)),
        'error',
        `no pinned server has the action ${JSON.stringify(name)}`,
        mend,
      );
    });
  const scope = actionsOf(policy.json)?.flatMap((name) => members.get(name) ?? [name]) ?? [...actions.keys()];
  const read = new Map(conditions.flatMap(mentions).map((mention) => [JSON.stringify(mention.path), mention]));
  return [...read.values()].flatMap((mention) => mentioned(policy, mention, scope, named));
}

/** A name that is only asked for by `has` satisfies Cedar's validation, and would make a forbid do nothing. */
function mentioned(
  policy: ParsedPolicy,
  mention: Mention,
  scope: readonly string[],
  { actions, context }: Named,
): readonly PolicyProblem[] {
  const last = mention.path.at(-1) ?? '';
  const [first] = mention.path;
  if (first === undefined) return [];
  const path = argumentPath(mention);
  if (!path) {
    const at = strangeFact(mention.path, context);
    if (at === undefined) return [];
    const { name, siblings } = at;
    const near = suggestion(name, siblings);
    const where = ['context', ...mention.path.slice(0, mention.path.indexOf(name))].join('.');
    const mend = near ? `did you mean ${where}.${near}?` : `there are ${siblings.slice(0, 12).join(', ')}`;
    return [problem(policy, find(policy, name), 'error', `${where} has no ${JSON.stringify(name)}`, mend)];
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

/** The first name of the path that is not there, and those that are. */
function strangeFact(
  path: readonly string[],
  context: Named['context'],
): { name: string; siblings: string[] } | undefined {
  let here: Named['context'] = context;
  for (const [depth, name] of path.entries()) {
    const siblings = depth === 0 ? ['args', ...Object.keys(here)] : Object.keys(here);
    const type = Object.hasOwn(here, name) ? here[name] : undefined;
    if (type === undefined) return { name, siblings };
    if (!('attributes' in type)) return undefined;
    here = type.attributes as Named['context'];
  }
  return undefined;
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
