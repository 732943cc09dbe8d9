import { isObject, type Json, type JsonObject } from '../../../contract/json.ts';

/** The Cedar type of an argument. */
export type ArgumentType =
  | { readonly kind: 'String' | 'Long' | 'Boolean' }
  | { readonly kind: 'Set'; readonly element: ArgumentType }
  | RecordType;

export interface RecordType {
  readonly kind: 'Record';
  readonly attributes: ReadonlyMap<string, { readonly type: ArgumentType; readonly required: boolean }>;
}

/** An argument that Cedar cannot type, and why; policies do not see it. */
export interface Untyped {
  readonly path: readonly string[];
  readonly why: string;
}

/** `__entity`, `__extn` and `__expr` are Cedar's JSON escapes; `__proto__` is JavaScript's. */
const RESERVED = new Set(['__entity', '__extn', '__expr', '__proto__']);
const MAX_DEPTH = 15;
/** Nodes of one schema with its references expanded; references to references can multiply. */
const MAX_NODES = 2000;

interface Walk {
  readonly root: Json;
  readonly untyped: Untyped[];
  nodes: number;
}

/**
 * The Cedar type of a tool's arguments, from its declared inputSchema alone: strings, integers, booleans, arrays of
 * one such kind, objects with declared properties. Everything else is `untyped`.
 */
export function typeOfArguments(inputSchema: Json | undefined): {
  readonly type: RecordType;
  readonly untyped: readonly Untyped[];
} {
  const walk: Walk = { root: inputSchema ?? {}, untyped: [], nodes: 0 };
  return { type: recordOf(isObject(inputSchema) ? inputSchema : {}, walk, [], []), untyped: walk.untyped };
}

function recordOf(schema: JsonObject, walk: Walk, path: readonly string[], refs: readonly string[]): RecordType {
  const attributes = new Map<string, { type: ArgumentType; required: boolean }>();
  const required = Array.isArray(schema.required) ? schema.required : [];
  for (const [name, property] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
    const here = [...path, name];
    const type = RESERVED.has(name) ? 'its name is reserved' : typeOf(property, walk, here, refs);
    if (typeof type === 'string') walk.untyped.push({ path: here, why: type });
    else attributes.set(name, { type, required: required.includes(name) });
  }
  return { kind: 'Record', attributes };
}

/** The type, or why there is none. */
function typeOf(schema: Json, walk: Walk, path: readonly string[], refs: readonly string[]): ArgumentType | string {
  if (!isObject(schema)) return 'any value';
  if (path.length > MAX_DEPTH || ++walk.nodes > MAX_NODES) return 'the schema is too deep or too large';
  const declared = declaredType(schema);
  if (declared === undefined && typeof schema.$ref === 'string') {
    if (refs.includes(schema.$ref)) return 'recursive';
    const target = resolve(walk.root, schema.$ref);
    return target === undefined ? 'a reference that is not local' : typeOf(target, walk, path, [...refs, schema.$ref]);
  }
  switch (declared) {
    case 'string':
      return { kind: 'String' };
    case 'integer':
      return { kind: 'Long' };
    case 'boolean':
      return { kind: 'Boolean' };
    case 'array':
      return setOf(schema, walk, path, refs);
    case 'object':
      if (!isObject(schema.properties)) return 'an open map';
      return recordOf(schema, walk, path, refs);
    case 'number':
      return 'a number with fractions';
    case undefined:
      return 'no single type';
    default:
      return declared;
  }
}

function declaredType(schema: JsonObject): string | undefined {
  const { type } = schema;
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) return type.length === 1 && typeof type[0] === 'string' ? type[0] : 'a union';
  if (schema.anyOf !== undefined || schema.oneOf !== undefined) return 'a union';
  const values = Array.isArray(schema.enum) ? schema.enum : Object.hasOwn(schema, 'const') ? [schema.const] : [];
  if (values.length > 0 && values.every((value) => typeof value === 'string')) return 'string';
  return isObject(schema.properties) ? 'object' : undefined;
}

/** Elements are typed wholly or not at all: a set whose elements lost a part would compare equal to another. */
function setOf(
  schema: JsonObject,
  walk: Walk,
  path: readonly string[],
  refs: readonly string[],
): ArgumentType | string {
  if (schema.prefixItems !== undefined || !isObject(schema.items)) return 'an array without one element type';
  const inner: Walk = { root: walk.root, untyped: [], nodes: walk.nodes };
  const element = typeOf(schema.items, inner, [...path, '[]'], refs);
  walk.nodes = inner.nodes;
  if (typeof element === 'string') return `an array whose elements are ${element}`;
  if (inner.untyped.length > 0) return 'an array whose elements cannot be typed wholly';
  return { kind: 'Set', element };
}

/** A JSON Pointer fragment (RFC 6901 §6) into the same document. */
function resolve(root: Json, reference: string): Json | undefined {
  if (reference !== '#' && !reference.startsWith('#/')) return undefined;
  let here: Json | undefined = root;
  for (const part of reference.split('/').slice(1)) {
    const key = pointerKey(part);
    if (key === undefined) return undefined;
    if (isObject(here) && Object.hasOwn(here, key)) here = here[key];
    else if (Array.isArray(here)) here = here[Number(key)];
    else return undefined;
  }
  return here;
}

function pointerKey(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return undefined;
  }
}
