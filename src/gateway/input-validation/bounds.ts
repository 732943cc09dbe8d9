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
} as const;

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
