import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { argumentPath, conditionsOf, type Expr, entities, isExpr, mentions, nodeOf, nodes } from './expressions.ts';
import { actionsOf, nameOf, partScope } from './scope.ts';

/** What of a question can change the answer of some policies; the rest need not be told to Cedar, nor remembered. */
export interface Reads {
  /** Paths of the arguments that are read; `has` counts. */
  readonly args: readonly (readonly string[])[];
  /** The first elements of `args`; undefined: the arguments as a whole. */
  readonly wanted: ReadonlySet<string> | undefined;
  /** What else of the context is read, by its first name, and with it the actions whose calls are to be counted. */
  readonly told: ReadonlyMap<string, readonly string[]>;
  /** The context is read as one value. */
  readonly whole: boolean;
  /** Attributes of the principal; undefined: all of them. */
  readonly attributes: ReadonlySet<string> | undefined;
  /** Names of the entities of which it is asked whether something is in them; undefined: of any. */
  readonly places: ReadonlySet<string> | undefined;
}

/** @param known every fact that there is, and every action */
export function readsOf(policy: PolicyJson, known: Known): Reads {
  const conditions = conditionsOf(policy);
  const found = conditions.flatMap(mentions);
  const args = found.flatMap((mention) => {
    const path = argumentPath(mention);
    return path ? [path] : [];
  });
  return {
    args,
    wanted: firsts(args),
    told: toldOf(
      found.map(({ path }) => path),
      known,
    ),
    whole: found.some(({ path }) => path.length === 0),
    attributes: union(conditions.map(attributesOf)),
    places: union([new Set(placesOfScope(policy)), ...conditions.map(placesOf)]),
  };
}

/** What any of them reads. */
export function mergeReads(all: readonly Reads[]): Reads {
  const args = distinct(all.flatMap((one) => one.args));
  return {
    args,
    wanted: firsts(args),
    told: mergeTold(all.map((one) => one.told)),
    whole: all.some((one) => one.whole),
    attributes: union(all.map((one) => one.attributes)),
    places: union(all.map((one) => one.places)),
  };
}

export interface Known {
  readonly facts: readonly string[];
  readonly actions: readonly string[];
}

function toldOf(paths: readonly (readonly string[])[], { facts, actions }: Known): Reads['told'] {
  return mergeTold(
    paths.map((path) => {
      const [first, second, action] = path;
      const names = first === undefined ? facts : first === 'args' ? [] : [first];
      const counted = second === undefined || second === 'calls' ? (action === undefined ? actions : [action]) : [];
      return new Map(names.map((name) => [name, name === 'session' ? counted : []]));
    }),
  );
}

function mergeTold(all: readonly Reads['told'][]): Reads['told'] {
  const merged = new Map<string, readonly string[]>();
  for (const told of all)
    for (const [name, counted] of told)
      merged.set(name, [...new Set([...(merged.get(name) ?? []), ...counted])].sort());
  return merged;
}

function firsts(paths: Reads['args']): Reads['wanted'] {
  return paths.some((path) => path.length === 0) ? undefined : new Set(paths.flatMap(([first]) => first ?? []));
}

function distinct(paths: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return [...new Map(paths.map((path) => [JSON.stringify(path), path])).values()];
}

function placesOfScope(policy: PolicyJson): readonly string[] {
  const named = [policy.principal, policy.resource].flatMap((part) => partScope(part).entity ?? []);
  return [...named, ...(actionsOf(policy) ?? []).map((id) => nameOf({ type: 'Action', id }))];
}

/** Attributes that are asked of anything but `context` count as the principal's, which alone has some. */
function attributesOf(expr: Expr): ReadonlySet<string> | undefined {
  const read = new Set<string>();
  for (const node of nodes(expr)) {
    const [operator, payload] = nodeOf(node);
    if (operator !== '.' && operator !== 'has' && operator !== 'getTag' && operator !== 'hasTag') continue;
    const [of, variable] = isExpr(payload) && isExpr(payload.left) ? nodeOf(payload.left) : [];
    if (of === '.' || (of === 'Var' && variable === 'context')) continue;
    if (of !== 'Var' || !isExpr(payload) || operator.endsWith('Tag')) return undefined;
    read.add(String([payload.attr].flat()[0]));
  }
  return read;
}

/** What stands right of `in`: literals can be told beforehand, all else may be anything. */
function placesOf(expr: Expr): ReadonlySet<string> | undefined {
  const named = new Set<string>();
  for (const node of nodes(expr)) {
    const [operator, payload] = nodeOf(node);
    const place = isExpr(payload)
      ? operator === 'in'
        ? payload.right
        : operator === 'is'
          ? payload.in
          : undefined
      : undefined;
    if (!isExpr(place)) continue;
    for (const part of nodes(place)) if (!['Value', 'Set'].includes(nodeOf(part)[0])) return undefined;
    for (const uid of entities(place)) named.add(nameOf(uid));
  }
  return named;
}

function union(sets: readonly (ReadonlySet<string> | undefined)[]): ReadonlySet<string> | undefined {
  const all = new Set<string>();
  for (const set of sets) {
    if (set === undefined) return undefined;
    for (const one of set) all.add(one);
  }
  return all;
}
