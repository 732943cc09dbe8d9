import { type PolicyJson, policyToText, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { isObject } from '../../../contract/json.ts';
import type { Question } from '../../../contract/policy-engine.ts';
import type { Loaded } from './engine.ts';
import { conditionsOf, type Expr, nodeOf, operand } from './expressions.ts';
import { type Parties, partiesOf, resourceOf } from './parties.ts';
import { PolicySets } from './policy-sets.ts';
import { type Request, requestOf } from './request.ts';
import { actionsOf, holds, partScope } from './scope.ts';
import type { ParsedPolicy } from './sources.ts';
import { typedArguments } from './typed-arguments.ts';

/** A permit that does not apply, and every part of it that would have to become true for it to. */
export interface NearMiss {
  readonly policy: string;
  readonly missing: readonly string[];
}

/** How many permits are told of. */
const TOLD = 3;

/**
 * The permits that come nearest to a question, the nearest first: those that name its action, and of which the fewest parts
 * are not true. For people at a terminal: each part of each is asked for alone.
 */
export function nearMisses(loaded: Loaded, question: Question): readonly NearMiss[] {
  const action = loaded.actions.get(question.action);
  if (action === undefined) return [];
  const parties = partiesOf(loaded, question, resourceOf(question));
  const { record } = typedArguments(isObject(question.arguments) ? question.arguments : {}, action.args, undefined);
  const told = new Map(loaded.facts.map((name) => [name, [...loaded.actions.keys()]]));
  const all = { args: [], wanted: undefined, told, whole: true, attributes: undefined, places: undefined };
  const request = requestOf(question, parties, all, record);
  const sets = new PolicySets();
  return loaded.policies
    .filter(({ json }) => json.effect === 'permit' && namesAction(json, parties))
    .map((policy) => ({ policy: policy.id, missing: missing(policy, parties, request, sets) }))
    .filter((near) => near.missing.length > 0)
    .toSorted((a, b) => a.missing.length - b.missing.length)
    .slice(0, TOLD);
}

function namesAction(json: PolicyJson, { action }: Parties): boolean {
  const groups = [...action.ancestors].map((name) => name.slice('Action\n'.length));
  return actionsOf(json)?.some((name) => name === action.uid.id || groups.includes(name)) ?? true;
}

function missing({ json }: ParsedPolicy, parties: Parties, request: Request, sets: PolicySets): readonly string[] {
  const scope = (['principal', 'resource'] as const).flatMap((part) =>
    holds(partScope(json[part]), parties[part]) ? [] : [scopeText(json, part)],
  );
  const conditions = conditionsOf(json)
    .flatMap(conjuncts)
    .flatMap((body) => {
      const one = alone(body);
      const id = sets.add({ one });
      const answer = statefulIsAuthorized({ ...request, preparsedPolicySetId: id });
      sets.drop(id);
      return answer.type === 'success' && answer.response.decision === 'allow' ? [] : [conditionText(one)];
    });
  return [...scope, ...conditions];
}

function conjuncts(expr: Expr): readonly Expr[] {
  if (nodeOf(expr)[0] !== '&&') return [expr];
  return [...conjuncts(operand(expr, '&&', 'left')), ...conjuncts(operand(expr, '&&', 'right'))];
}

const ANY = { op: 'All' } as const;

function alone(body: Expr): PolicyJson {
  const condition = { kind: 'when', body: body as PolicyJson['conditions'][number]['body'] } as const;
  return { effect: 'permit', principal: ANY, action: ANY, resource: ANY, conditions: [condition] };
}

function textOf(policy: PolicyJson): string {
  const answer = policyToText(policy);
  return answer.type === 'success' ? answer.text.replace(/\s+/g, ' ') : '';
}

function conditionText(policy: PolicyJson): string {
  return /when \{ ?(.*?) ?\};$/.exec(textOf(policy))?.[1] ?? 'a condition';
}

function scopeText(json: PolicyJson, part: 'principal' | 'resource'): string {
  const text = textOf({
    ...json,
    conditions: [],
    ...(part === 'principal' ? { resource: ANY } : { principal: ANY }),
    action: ANY,
  });
  const found = part === 'principal' ? /\(\s*(principal.*?), action/ : /(resource.*?),?\s*\);$/;
  return found.exec(text)?.[1] ?? `another ${part}`;
}
