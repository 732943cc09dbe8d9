import type { PinnedDescriptor } from '../../contract/descriptors.ts';
import { isObject, type Json } from '../../contract/json.ts';
import { parsed } from './pins.ts';

/**
 * JSON Pointers into a tool's input schema at which the server itself lets undeclared properties in. The gateway
 * closes them all; what the tool cannot do without is named in `open_schema`.
 */
export function openLevels(tool: PinnedDescriptor): readonly string[] {
  const found: string[] = [];
  walk(parsed(tool.raw, 'tool').inputSchema, '', found, 0);
  return found;
}

const ONE = ['items', 'contains', 'additionalProperties', 'not', 'if', 'then', 'else', 'unevaluatedProperties'];
const MAPS = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
const LISTS = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];

function walk(schema: Json | undefined, at: string, found: string[], depth: number): void {
  if (!isObject(schema) || depth > 64) return;
  const { type, properties, patternProperties, additionalProperties: rest } = schema;
  const object = type === 'object' || (Array.isArray(type) && type.includes('object'));
  const said = (rest !== undefined && rest !== false) || patternProperties !== undefined;
  if (said || (object && properties === undefined && rest === undefined && at !== '')) found.push(at);
  for (const key of ONE) walk(schema[key], `${at}/${key}`, found, depth + 1);
  for (const key of MAPS) {
    const map = schema[key];
    if (isObject(map))
      for (const [name, member] of Object.entries(map))
        walk(member, `${at}/${key}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, found, depth + 1);
  }
  for (const key of LISTS) {
    const list = schema[key];
    if (Array.isArray(list))
      for (const [index, member] of list.entries()) walk(member, `${at}/${key}/${index}`, found, depth + 1);
  }
}
