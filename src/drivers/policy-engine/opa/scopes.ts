import { isObject, type Json, type JsonObject } from '../../../contract/json.ts';
import { callOf, type Rule, refOf, textOf, textsOf } from './ast.ts';

/** What a permit has to say of each part of a question, in so many words. */
const PARTS = {
  principal: ['input.principal.id', 'input.principal.tenant', 'input.principal.groups'],
  action: ['input.action', 'input.action_groups'],
  resource: ['input.resource.id', 'input.resource.tenant', 'input.resource.project'],
} as const;
type Part = keyof typeof PARTS;

/** Of these a text is asked to be a member. */
const LISTS: ReadonlySet<string> = new Set(['input.principal.groups', 'input.action_groups']);

export interface Scope {
  readonly part: Part;
  readonly of: string;
  readonly texts: readonly string[];
}

/**
 * What the rule's own expressions ask of the question by comparing with constant texts. All expressions of a body have to
 * hold, so that whatever stands beside these can only narrow the rule; what is negated, below `with`, or inside anything
 * else says nothing here.
 */
export function scopesOf({ body }: Rule): readonly Scope[] {
  const plain = body.filter((one) => one.negated === undefined && one.with === undefined);
  const locals = localsOf(plain);
  const seen = (term: Json | undefined): Json | undefined => {
    const name = isObject(term) && term.type === 'var' ? String(term.value) : undefined;
    return (name !== undefined && locals.get(name)) || term;
  };
  return plain.flatMap((expression): readonly Scope[] => {
    const call = callOf(expression);
    const [left, right] = (call?.operands ?? []).map(seen);
    switch (call?.operands.length === 2 ? call.operator : undefined) {
      case 'eq':
        return [...equal(left, right), ...equal(right, left)];
      case 'internal.member_2':
        return member(left, right);
      default:
        return [];
    }
  });
}

/** Locals that are one thing alone: `__local1__ = input.action`. */
function localsOf(body: readonly JsonObject[]): ReadonlyMap<string, Json> {
  const locals = new Map<string, Json>();
  for (const expression of body) {
    const call = callOf(expression);
    if (call?.operator !== 'eq' || call.operands.length !== 2) continue;
    const [left, right] = call.operands;
    if (isObject(left) && left.type === 'var' && right !== undefined && !isVariable(right))
      locals.set(String(left.value), right);
    else if (isObject(right) && right.type === 'var' && left !== undefined && !isVariable(left))
      locals.set(String(right.value), left);
  }
  return locals;
}

function isVariable(term: Json): boolean {
  return isObject(term) && term.type === 'var';
}

function equal(asked: Json | undefined, given: Json | undefined): readonly Scope[] {
  const text = textOf(given);
  const of = refOf(asked)?.join('.') ?? '';
  const part = partOf(of);
  return text === undefined || part === undefined || LISTS.has(of) ? [] : [{ part, of, texts: [text] }];
}

function member(one: Json | undefined, all: Json | undefined): readonly Scope[] {
  const [texts, text] = [textsOf(all), textOf(one)];
  const [of, list] = [refOf(one)?.join('.') ?? '', refOf(all)?.join('.') ?? ''];
  const [part, group] = [partOf(of), partOf(list)];
  if (texts !== undefined && part !== undefined && !LISTS.has(of)) return [{ part, of, texts }];
  return text !== undefined && group !== undefined && LISTS.has(list) ? [{ part: group, of: list, texts: [text] }] : [];
}

function partOf(of: string): Part | undefined {
  return (Object.keys(PARTS) as Part[]).find((part) => (PARTS[part] as readonly string[]).includes(of));
}

/** The part of a question that the scopes say nothing of. */
export function unconstrained(scopes: readonly Scope[]): Part | undefined {
  return (Object.keys(PARTS) as Part[]).find((part) => !scopes.some((scope) => scope.part === part));
}
