import type { Json } from '../../contract/json.ts';
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

/** Why values that are each within bounds are too much together; undefined: they are not. */
export function tooMuch(value: Json): string | undefined {
  const left = { units: bounds.total, values: bounds.values };
  count(value, left);
  if (left.units < 0) return `more than ${bounds.total} characters in all`;
  return left.values < 0 ? `more than ${bounds.values} values in all` : undefined;
}

function count(value: Json, left: { units: number; values: number }): void {
  left.values--;
  if (typeof value === 'string') left.units -= value.length;
  if (typeof value !== 'object' || value === null || left.values < 0 || left.units < 0) return;
  const isList = isArray(value);
  for (const [key, member] of Object.entries(value)) {
    if (!isList) left.units -= key.length;
    count(member, left);
  }
}

/** Why a value is out of bounds, with the JSON Pointer (RFC 6901) of the place, below `pointer`; undefined: it is not. */
export function outOfBounds(value: Json, pointer = '', depth = 1): string | undefined {
  if (typeof value === 'string') {
    return tooLong(value) ? `${pointer}: string above ${bounds.string} bytes` : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > bounds.depth) return `${pointer}: deeper than ${bounds.depth}`;
  return isArray(value) ? arrayOutOfBounds(value, pointer, depth) : objectOutOfBounds(value, pointer, depth);
}

function arrayOutOfBounds(value: readonly Json[], pointer: string, depth: number): string | undefined {
  if (value.length > bounds.members) return `${pointer}: more than ${bounds.members} elements`;
  for (let index = 0; index < value.length; index++) {
    const element = value[index];
    if (isScalar(element)) continue;
    const found = outOfBounds(element, `${pointer}/${index}`, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function objectOutOfBounds(
  value: { readonly [key: string]: Json },
  pointer: string,
  depth: number,
): string | undefined {
  const keys = Object.keys(value);
  if (keys.length > bounds.members) return `${pointer}: more than ${bounds.members} members`;
  for (const key of keys) {
    if (tooLong(key)) return `${pointer}: key above ${bounds.string} bytes`;
    const member = value[key];
    if (isScalar(member)) continue;
    const found = outOfBounds(member, `${pointer}/${shownToken(key)}`, depth + 1);
    if (found !== undefined) return found;
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

function isScalar(value: Json | undefined): value is number | boolean | null | undefined {
  return typeof value !== 'string' && (typeof value !== 'object' || value === null);
}
