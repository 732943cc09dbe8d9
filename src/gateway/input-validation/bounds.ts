import type { Json, JsonObject } from '../../contract/json.ts';
import { shownToken } from './json-pointer.ts';

/** Bounds on what a caller may send, whatever a schema says (checklist `input.bounds`). */
export const bounds = {
  /** Bytes of one string or object key, in UTF-8. */
  string: 8192,
  /** Elements of one array, members of one object. */
  members: 1000,
  /** Containers inside each other; the outermost counts as 1. */
  depth: 15,
  /** Of one call, all in all: UTF-16 units of strings and keys, and values of any kind. */
  total: 256 * 1024,
  values: 10_000,
} as const;

/**
 * Why a value is out of bounds, with the JSON Pointer (RFC 6901) of the place below it, or why it is too much all in
 * all; undefined: it is neither.
 */
export function outOfBounds(value: Json): string | undefined {
  const used = { units: 0, values: 0 };
  const why = boundsOf(value, 1, used);
  if (why !== undefined) return why;
  if (used.units > bounds.total) return `: more than ${bounds.total} characters in all`;
  return used.values > bounds.values ? `: more than ${bounds.values} values in all` : undefined;
}

interface Used {
  units: number;
  values: number;
}

/** The pointer grows on the way back from what is out of bounds, so that nothing is written where nothing is. */
function boundsOf(value: Json, depth: number, used: Used): string | undefined {
  used.values++;
  if (typeof value === 'string') {
    used.units += value.length;
    return tooLong(value) ? `: string above ${bounds.string} bytes` : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > bounds.depth) return `: deeper than ${bounds.depth}`;
  return isArray(value) ? arrayBounds(value, depth, used) : objectBounds(value, depth, used);
}

function arrayBounds(value: readonly Json[], depth: number, used: Used): string | undefined {
  if (value.length > bounds.members) return `: more than ${bounds.members} elements`;
  for (let index = 0; index < value.length; index++) {
    const found = boundsOf(value[index] ?? null, depth + 1, used);
    if (found !== undefined) return `/${index}${found}`;
  }
  return undefined;
}

function objectBounds(value: JsonObject, depth: number, used: Used): string | undefined {
  const keys = Object.keys(value);
  if (keys.length > bounds.members) return `: more than ${bounds.members} members`;
  for (const key of keys) {
    used.units += key.length;
    if (tooLong(key)) return `: key above ${bounds.string} bytes`;
    const found = boundsOf(value[key] ?? null, depth + 1, used);
    if (found !== undefined) return `/${shownToken(key)}${found}`;
  }
  return undefined;
}

function tooLong(text: string): boolean {
  if (text.length > bounds.string) return true;
  // A UTF-16 unit takes three bytes at most, so that most strings need no counting.
  return text.length * 3 > bounds.string && Buffer.byteLength(text, 'utf8') > bounds.string;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
