import { isObject, type Json, type JsonObject } from '../../contract/json.ts';

/** An argument that a client repeats in a header `Mcp-Param-NAME` (MCP 2026-07-28, Custom Headers). */
export interface MirroredArgument {
  /** In lower case, as Node gives it. */
  readonly header: string;
  readonly path: readonly string[];
}

const MARK = 'x-mcp-header';

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A `number` can be written in too many ways. */
const TYPES: ReadonlySet<Json | undefined> = new Set(['string', 'integer', 'boolean']);

/** Keywords that hold one schema or an array of them, and those that hold schemas by name. */
const SCHEMAS = [
  ...['items', 'prefixItems', 'contains', 'additionalProperties', 'additionalItems', 'unevaluatedProperties'],
  ...['unevaluatedItems', 'propertyNames', 'oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else', 'contentSchema'],
];
const NAMED = ['patternProperties', 'dependentSchemas', 'dependencies', '$defs', 'definitions'];

/**
 * Collects the `x-mcp-header` marks of a schema. A mark counts only where `properties` alone lead to it, on a string,
 * an integer or a boolean, with a name that is a token and used once in any letter case; any other makes the whole tool
 * invalid, which a client must then leave out (MCP 2026-07-28, Custom Headers).
 * @throws Error saying which mark is wrong
 */
export function mirroredArguments(schema: JsonObject): readonly MirroredArgument[] {
  const found = new Map<string, MirroredArgument>();
  visit(schema, [], true, found);
  return [...found.values()];
}

function visit(
  schema: Json | undefined,
  path: readonly string[],
  reachable: boolean,
  found: Map<string, MirroredArgument>,
): void {
  if (!isObject(schema)) return;
  if (Object.hasOwn(schema, MARK)) {
    if (!reachable || path.length === 0) throw new Error(`${MARK} where no chain of properties leads`);
    const header = headerOf(schema);
    if (found.has(header)) throw new Error(`${header} twice`);
    found.set(header, { header, path });
  }
  for (const [key, child] of named(schema.properties)) visit(child, [...path, key], reachable, found);
  for (const key of SCHEMAS) {
    const child = schema[key];
    for (const one of Array.isArray(child) ? child : [child]) visit(one, [], false, found);
  }
  for (const key of NAMED) for (const [, child] of named(schema[key])) visit(child, [], false, found);
}

function named(schemas: Json | undefined): readonly (readonly [string, Json])[] {
  return isObject(schemas) ? Object.entries(schemas) : [];
}

function headerOf({ [MARK]: name, type }: JsonObject): string {
  if (typeof name !== 'string' || !TOKEN.test(name)) throw new Error(`${MARK} that is no token`);
  if (!TYPES.has(type)) throw new Error(`${MARK} on a value that is no string, integer or boolean`);
  return `mcp-param-${name.toLowerCase()}`;
}

/** The value that a mark stands on, in these arguments; undefined where there is none. */
export function markedValue({ path }: MirroredArgument, args: Json | undefined): Json | undefined {
  let value = args;
  for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

/**
 * Whether the header says what the body says. Nothing is expected where the body has no value, or one that no header
 * can hold; numbers are compared as numbers.
 * @param header decoded
 */
export function agrees(value: Json | undefined, header: string | undefined): boolean {
  switch (typeof value) {
    case 'string':
      return header === value;
    case 'boolean':
      return header === String(value);
    case 'number':
      return header !== undefined && /^-?\d+(?:\.\d+)?$/.test(header) && Number(header) === value;
    default:
      return true;
  }
}

/**
 * The field value for a body's value: as it is where that is plain, else as `=?base64?…?=` (MCP 2026-07-28, Value
 * Encoding); undefined where there is nothing that a header could say.
 */
export function fieldValue(value: Json | undefined): string | undefined {
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string') return undefined;
  const plain = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/.test(value) && !/^=\?base64\?.*\?=$/.test(value);
  return plain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}
