import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { isObject, type Json, type JsonObject } from '../../../contract/json.ts';
import type { ArgumentType, RecordType } from '../host/argument-types.ts';

export interface TypedArguments {
  readonly record: Record<string, CedarValueJson>;
  /** Paths of the values that are there, were wanted, and could not be typed. */
  readonly leftOut: readonly (readonly string[])[];
}

/**
 * Cedar values for raw arguments. The declared type is walked, never the value alone: a key that is not declared
 * never reaches Cedar, so that no `__entity` or `__extn` in an argument can become an entity or an extension value.
 * @param wanted the top-level arguments that policies read; undefined: all of them
 */
export function typedArguments(
  args: JsonObject,
  type: RecordType,
  wanted: ReadonlySet<string> | undefined,
): TypedArguments {
  const leftOut: (readonly string[])[] = [];
  return { record: recordOf(args, type, [], leftOut, wanted), leftOut };
}

function recordOf(
  value: JsonObject,
  type: RecordType,
  path: readonly string[],
  leftOut: (readonly string[])[],
  wanted?: ReadonlySet<string>,
): Record<string, CedarValueJson> {
  const record: Record<string, CedarValueJson> = {};
  // In the order of the schema: equal arguments become equal JSON.
  for (const [name, attribute] of type.attributes) {
    if (!Object.hasOwn(value, name) || (wanted && !wanted.has(name))) continue;
    const typed = cedarValue(value[name], attribute.type, [...path, name], leftOut);
    if (typed === undefined) leftOut.push([...path, name]);
    else record[name] = typed;
  }
  for (const name of Object.keys(value))
    if (!type.attributes.has(name) && (!wanted || wanted.has(name))) leftOut.push([...path, name]);
  return record;
}

function cedarValue(
  value: Json | undefined,
  type: ArgumentType,
  path: readonly string[],
  leftOut: (readonly string[])[],
): CedarValueJson | undefined {
  switch (type.kind) {
    case 'String':
      return typeof value === 'string' && value.isWellFormed() ? value : undefined;
    case 'Long':
      return Number.isSafeInteger(value) ? Number(value) : undefined;
    case 'Boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'Record':
      return isObject(value) ? recordOf(value, type, path, leftOut) : undefined;
    case 'Set':
      return Array.isArray(value) ? setOf(value, type.element) : undefined;
  }
}

/** All elements, each wholly, or nothing. */
function setOf(values: readonly Json[], element: ArgumentType): CedarValueJson[] | undefined {
  const lost: (readonly string[])[] = [];
  const set: CedarValueJson[] = [];
  for (const value of values) {
    const typed = cedarValue(value, element, [], lost);
    if (typed === undefined || lost.length > 0) return undefined;
    set.push(typed);
  }
  return set;
}
