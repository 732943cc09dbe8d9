import { isObject, type JsonObject } from '../../../contract/json.ts';
import { type Comparison, comparisonWith } from '../host/canonical.ts';
import { addCompared, type ComparedArgument, either } from '../host/compared.ts';
import { nodes, type Rule, refOf, textOf } from './ast.ts';

/** Where arguments lie in the question. */
const ARGS = ['input', 'context', 'args'];

/**
 * Arguments that meet a text which looks like a path or URL: in one expression, or over variables, rules and functions that
 * lead from one to the other. What can only be passed on counts as compared.
 */
export function comparedArguments(rules: readonly Rule[], own: readonly string[]): readonly ComparedArgument[] {
  const groups = new Groups();
  const literals: (readonly [group: string, kind: Comparison])[] = [];
  const args: (readonly [group: string, at: readonly string[]])[] = [];
  for (const [index, rule] of rules.entries())
    for (const [at, part] of partsOf(rule).entries()) {
      const group = `${index}.${at}`;
      // Whoever uses a rule by its name uses all that it is made of.
      if (rule.member === undefined) groups.join(group, `rule ${rule.name}`);
      const operators = operatorsOf(part);
      for (const node of nodes(part)) {
        const kind = comparisonWith(textOf(node) ?? '');
        if (kind !== undefined) literals.push([group, kind]);
        const ref = operators.has(node) && node.type === 'var' ? undefined : refOf(node);
        if (ref === undefined) continue;
        if (starts(ref, ARGS)) args.push([group, constant(ref.slice(ARGS.length))]);
        else if (starts(ref, own)) groups.join(group, `rule ${ref[own.length]}`);
        else if (node.type === 'var' && ref[0] !== 'input') groups.join(group, `${index} ${ref[0]}`);
      }
    }
  const met = new Map<string, Comparison[]>();
  for (const [group, kind] of literals) {
    const top = groups.of(group);
    met.set(top, [either([...(met.get(top) ?? []), kind])]);
  }
  const found = new Map<string, ComparedArgument>();
  for (const [group, at] of args) {
    const [kind] = met.get(groups.of(group)) ?? [];
    if (kind !== undefined) addCompared(found, { at, ...kind });
  }
  return [...found.values()];
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
class Groups {
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
