import { isObject, type Json, type JsonObject } from '../../contract/json.ts';

/** An argument that a client repeats in a header `Mcp-Param-NAME` (MCP 2026-07-28, Custom Headers). */
export interface MirroredArgument {
  /** In lower case, as Node gives it. */
  readonly header: string;
  readonly path: readonly string[];
}

/** Collects the `x-mcp-header` marks of a schema; they count only where `properties` alone lead to them. */
export function mirroredArguments(schema: JsonObject, path: readonly string[] = []): readonly MirroredArgument[] {
  const found: MirroredArgument[] = [];
  const { properties } = schema;
  if (!isObject(properties)) return found;
  for (const [key, child] of Object.entries(properties)) {
    if (!isObject(child)) continue;
    const mark = child['x-mcp-header'];
    const at = [...path, key];
    if (typeof mark === 'string') found.push({ header: `mcp-param-${mark.toLowerCase()}`, path: at });
    found.push(...mirroredArguments(child, at));
  }
  return found;
}

/**
 * Whether the header says what the body says. Nothing is expected where the body has no value, or one that no header
 * can hold; numbers are compared as numbers.
 * @param header decoded
 */
export function agrees(argument: MirroredArgument, args: Json | undefined, header: string | undefined): boolean {
  let value = args;
  for (const key of argument.path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
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
