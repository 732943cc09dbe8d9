import { isObject, type Json, type JsonObject } from '../../../contract/json.ts';
import { KINDS } from './module.ts';

/** A rule of the module as OPA's compiler has left it: names are resolved, locals have names of their own. */
export interface Rule {
  /** The first part of its name. */
  readonly name: string;
  /** Constant name of the policy; undefined: it is none, or has no such name. */
  readonly member: string | undefined;
  readonly body: readonly JsonObject[];
  readonly whole: JsonObject;
}

/** @throws Error where it is no module as OPA 1.x shows it */
export function rulesOf(ast: Json | undefined): readonly Rule[] {
  const rules = isObject(ast) && Array.isArray(ast.rules) ? ast.rules : [];
  return rules.map((whole) => {
    const head = isObject(whole) ? whole.head : undefined;
    const ref = isObject(head) && Array.isArray(head.ref) ? head.ref : [];
    if (!isObject(whole) || !isObject(head) || !Array.isArray(whole.body)) throw new Error('a rule of another form');
    const [first] = ref;
    if (!isObject(first) || typeof first.value !== 'string') throw new Error('a rule without a name');
    const isSet = ref.length === 1 && isObject(head.key) && head.value === undefined && head.args === undefined;
    const isPolicy = (KINDS as readonly string[]).includes(first.value);
    const plain = isPolicy && isSet && whole.default === undefined && whole.else === undefined;
    return {
      name: first.value,
      member: plain && isObject(head.key) ? textOf(head.key) : undefined,
      body: whole.body.filter(isObject),
      whole,
    };
  });
}

/** The text that a term is; undefined: it is none, or not a constant one. */
export function textOf(term: Json | undefined): string | undefined {
  return isObject(term) && term.type === 'string' && typeof term.value === 'string' ? term.value : undefined;
}

/** The texts that an array or set of nothing else consists of. */
export function textsOf(term: Json | undefined): readonly string[] | undefined {
  if (!isObject(term) || (term.type !== 'array' && term.type !== 'set') || !Array.isArray(term.value)) return undefined;
  const texts = term.value.map(textOf);
  return texts.every((text) => text !== undefined) ? texts : undefined;
}

/** `input.context.args.path` as its parts, with undefined for each that is not constant; undefined: no reference. */
export function refOf(term: Json | undefined): readonly (string | undefined)[] | undefined {
  if (!isObject(term)) return undefined;
  if (term.type === 'var' && typeof term.value === 'string') return [term.value];
  if (term.type !== 'ref' || !Array.isArray(term.value)) return undefined;
  const [head, ...rest] = term.value;
  return [isObject(head) && head.type === 'var' ? String(head.value) : undefined, ...rest.map(textOf)];
}

/** Everything below, itself included. */
export function* nodes(value: Json | undefined): Generator<JsonObject> {
  const stack: (Json | undefined)[] = [value];
  for (let next = stack.pop(); stack.length > 0 || next !== undefined; next = stack.pop()) {
    if (Array.isArray(next)) stack.push(...next);
    else if (isObject(next)) {
      yield next;
      stack.push(...Object.values(next));
    }
  }
}

/** Operator and operands of an expression that is one call, such as `eq(input.action, "a")`. */
export function callOf(
  expression: JsonObject,
): { readonly operator: string; readonly operands: readonly Json[] } | undefined {
  const { terms } = expression;
  if (!Array.isArray(terms)) return undefined;
  const operator = operatorOf(terms[0]);
  return operator === undefined ? undefined : { operator, operands: terms.slice(1) };
}

export function operatorOf(term: Json | undefined): string | undefined {
  const ref = refOf(term);
  return ref?.every((part) => part !== undefined) ? ref.join('.') : undefined;
}
