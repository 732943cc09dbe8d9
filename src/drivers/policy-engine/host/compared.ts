import { isObject, type Json, type JsonObject } from '../../../contract/json.ts';
import { type Comparison, notCanonical } from './canonical.ts';

/** An argument that policies compare as a path or URL. */
export interface ComparedArgument extends Comparison {
  /** Where it lies below the arguments; `[]`: all of them. */
  readonly at: readonly string[];
}

/** One row for each argument, whatever the policies that compare it. */
export function mergeCompared(rows: readonly ComparedArgument[]): readonly ComparedArgument[] {
  const merged = new Map<string, ComparedArgument>();
  for (const row of rows) addCompared(merged, row);
  return [...merged.values()];
}

/** Into rows by where the argument lies. */
export function addCompared(rows: Map<string, ComparedArgument>, row: ComparedArgument): void {
  const key = JSON.stringify(row.at);
  const known = rows.get(key);
  rows.set(key, known ? { at: row.at, ...either([known, row]) } : row);
}

export function either(kinds: readonly Comparison[]): Comparison {
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
