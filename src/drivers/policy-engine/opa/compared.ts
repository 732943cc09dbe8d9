import { isObject, type Json, type JsonObject } from '../../../contract/json.ts';
import { type Comparison, comparisonWith } from '../host/canonical.ts';
import { addCompared, type ComparedArgument, either, mergeCompared } from '../host/compared.ts';
import { nodes, type Rule, refOf, textOf } from './ast.ts';
import { type Scope, scopesOf } from './scopes.ts';

/** Where arguments lie in the question. */
const ARGS = ['input', 'context', 'args'];

/** What one policy compares, where it is about the question at all. */
interface Compared {
  readonly scopes: readonly Scope[];
  readonly rows: readonly ComparedArgument[];
}

/**
 * Arguments that policies compare with what looks like a path or URL, each policy with all that it is made of.
 * @param own path of the module's package, `data` first
 * @returns what those policies compare that can be about a question, by its action and resource
 */
export function comparedBy(
  rules: readonly Rule[],
  own: readonly string[],
): (input: JsonObject) => readonly ComparedArgument[] {
  const byName = Map.groupBy(rules, ({ name }) => name);
  const all = rules.flatMap((rule): readonly Compared[] => {
    const rows = rule.member === undefined ? [] : comparedArguments(madeOf(rule, byName, own), own);
    const [asked, about] = ['action', 'resource'].map((name) => scopesOf(rule).find(({ part }) => part === name));
    const scopes = [asked, about].filter((scope) => scope !== undefined);
    return rows.length === 0 ? [] : [{ scopes, rows }];
  });
  return (input) =>
    mergeCompared(all.flatMap(({ scopes, rows }) => (scopes.every((scope) => holds(scope, input)) ? rows : [])));
}

/** The rule, and all that it uses, in whatever is used. */
function madeOf(rule: Rule, byName: ReadonlyMap<string, readonly Rule[]>, own: readonly string[]): readonly Rule[] {
  const found = new Set([rule]);
  // A set gives what is added while it is walked, too.
  for (const one of found)
    for (const node of nodes(one.whole)) {
      const ref = node.type === 'ref' ? refOf(node) : undefined;
      if (ref !== undefined && starts(ref, own))
        for (const used of byName.get(String(ref[own.length])) ?? []) found.add(used);
    }
  return [...found];
}

function holds({ of, texts }: Scope, input: JsonObject): boolean {
  let here: Json | undefined = input;
  for (const name of of.split('.').slice(1)) here = isObject(here) ? here[name] : undefined;
  return texts.some((text) => here === text || (Array.isArray(here) && here.includes(text)));
}

/**
 * Arguments that meet a text which looks like a path or URL: in one expression, or over variables, rules and functions that
 * lead from one to the other. What can only be passed on counts as compared.
 */
function comparedArguments(rules: readonly Rule[], own: readonly string[]): readonly ComparedArgument[] {
  const together = new Together();
  const literals: (readonly [group: string, kind: Comparison])[] = [];
  const args: (readonly [group: string, at: readonly string[]])[] = [];
  for (const [index, rule] of rules.entries())
    for (const [at, part] of partsOf(rule).entries()) {
      const group = `${index}.${at}`;
      // Whoever uses a rule by its name is given what it is made of, unless it only says whether something is so.
      if (hands(rule)) together.join(group, `rule ${rule.name}`);
      const operators = operatorsOf(part);
      const names = namesOf(part);
      for (const node of nodes(part)) {
        if (names.has(node)) continue;
        const kind = comparisonWith(textOf(node) ?? '');
        if (kind !== undefined) literals.push([group, kind]);
        const ref = operators.has(node) && node.type === 'var' ? undefined : refOf(node);
        if (ref === undefined) continue;
        if (starts(ref, ARGS)) args.push([group, constant(ref.slice(ARGS.length))]);
        else if (starts(ref, own)) together.join(group, `rule ${ref[own.length]}`);
        else if (node.type === 'var' && ref[0] !== 'input' && ref[0] !== 'data')
          together.join(group, `${index} ${ref[0]}`);
      }
    }
  const met = new Map<string, Comparison[]>();
  for (const [group, kind] of literals) {
    const top = together.of(group);
    met.set(top, [either([...(met.get(top) ?? []), kind])]);
  }
  const found = new Map<string, ComparedArgument>();
  for (const [group, at] of args) {
    const [kind] = met.get(together.of(group)) ?? [];
    if (kind !== undefined) addCompared(found, { at, ...kind });
  }
  return [...found.values()];
}

/** A function, or a rule that is more than true: a set, an object, another value, also by its `else`. */
function hands({ member, whole: { head, else: other } }: Rule): boolean {
  if (member !== undefined || !isObject(head)) return false;
  const { args, key, value, ref } = head;
  const isOne =
    args === undefined && key === undefined && other === undefined && Array.isArray(ref) && ref.length === 1;
  return !isOne || !(isObject(value) && value.type === 'boolean');
}

/** The constant parts of references, which are compared with nothing. */
function namesOf(part: JsonObject): ReadonlySet<JsonObject> {
  const found = new Set<JsonObject>();
  for (const { type, value } of nodes(part))
    if (type === 'ref' && Array.isArray(value))
      for (const name of value) if (isObject(name) && name.type === 'string') found.add(name);
  return found;
}

/** What has to hold together is one part; alternatives are read as one. */
function partsOf({ body, whole }: Rule): readonly JsonObject[] {
  return [...body, whole.head, whole.else].filter(isObject);
}

function starts(ref: readonly (string | undefined)[], path: readonly string[]): boolean {
  return path.every((name, place) => ref[place] === name);
}

/** The path as far as it is constant: what is read below is of the same argument. */
function constant(path: readonly (string | undefined)[]): readonly string[] {
  const end = path.indexOf(undefined);
  return (end === -1 ? path : path.slice(0, end)).filter((name) => name !== undefined);
}

/** The names of functions are variables to OPA, and the same in all expressions. */
function operatorsOf(part: JsonObject): ReadonlySet<JsonObject> {
  const found = new Set<JsonObject>();
  for (const { type, terms, value } of nodes(part)) {
    const [operator] = Array.isArray(terms) ? terms : type === 'call' && Array.isArray(value) ? value : [];
    const [name] = isObject(operator) && Array.isArray(operator.value) ? operator.value : [];
    if (isObject(name)) found.add(name);
  }
  return found;
}

/** What hangs together (Tarjan 1975, without ranks). */
class Together {
  readonly #above = new Map<string, string>();

  join(one: string, other: string): void {
    const [from, to] = [this.of(one), this.of(other)];
    if (from !== to) this.#above.set(from, to);
  }

  of(one: string): string {
    let top = one;
    for (let next = this.#above.get(top); next !== undefined && next !== top; next = this.#above.get(top)) top = next;
    if (one !== top) this.#above.set(one, top);
    return top;
  }
}
