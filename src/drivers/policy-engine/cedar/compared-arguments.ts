import type { Json, JsonObject } from '../../../contract/json.ts';
import { isObject } from '../../../contract/json.ts';
import { type Comparison, comparisonWith, notCanonical } from '../host/canonical.ts';
import { argumentPath, children, type Expr, literals, mentions, nodeOf } from './expressions.ts';

/** An argument that policies compare as a path or URL. */
export interface ComparedArgument extends Comparison {
  /** Where it lies below the arguments; `[]`: all of them. */
  readonly at: readonly string[];
}

const COMPARISONS = new Set(['==', '!=', 'like', 'contains', 'containsAll', 'containsAny']);

/**
 * Which arguments the conditions compare with a literal that looks like a path or URL. What a comparison reads is
 * taken as a whole, so that neither if-then-else nor a record around the argument hides it; `has` compares nothing.
 */
export function comparedArguments(conditions: readonly Expr[]): readonly ComparedArgument[] {
  const found = new Map<string, ComparedArgument>();
  const visit = (expr: Expr) => {
    if (COMPARISONS.has(nodeOf(expr)[0])) note(expr, found);
    for (const child of children(expr)) visit(child);
  };
  for (const condition of conditions) visit(condition);
  return [...found.values()];
}

function note(expr: Expr, found: Map<string, ComparedArgument>): void {
  const kinds = literals(expr).flatMap((literal) => comparisonWith(literal) ?? []);
  if (kinds.length === 0) return;
  for (const mention of mentions(expr)) {
    const at = mention.presence ? undefined : argumentPath(mention);
    if (at) add(found, { at, ...either(kinds) });
  }
}

/** One row for each argument, whatever the policies that compare it. */
export function mergeCompared(rows: readonly ComparedArgument[]): readonly ComparedArgument[] {
  const merged = new Map<string, ComparedArgument>();
  for (const row of rows) add(merged, row);
  return [...merged.values()];
}

function add(rows: Map<string, ComparedArgument>, row: ComparedArgument): void {
  const key = JSON.stringify(row.at);
  const known = rows.get(key);
  rows.set(key, known ? { at: row.at, ...either([known, row]) } : row);
}

function either(kinds: readonly Comparison[]): Comparison {
  return {
    path: kinds.some(({ path }) => path),
    url: kinds.some(({ url }) => url),
    absolute: kinds.some(({ absolute }) => absolute),
  };
}

/** Names the first argument that is not canonical, and why; undefined: all that are compared are. */
export function findNotCanonical(compared: readonly ComparedArgument[], args: JsonObject): string | undefined {
  for (const row of compared) {
    const why = inside(valueAt(args, row.at), row);
    if (why) return `${['arguments', ...row.at].join('.')}: ${why}`;
  }
  return undefined;
}

function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  let here = value;
  for (const key of path) here = isObject(here) && Object.hasOwn(here, key) ? here[key] : undefined;
  return here;
}

function inside(value: Json | undefined, comparison: Comparison): string | undefined {
  if (typeof value === 'string') return notCanonical(value, comparison);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const child of Object.values(value)) {
    const why = inside(child, comparison);
    if (why) return why;
  }
  return undefined;
}
