import type { Json } from '../../contract/json.ts';

/** Says what is wrong with a keyword's value; undefined: nothing. */
type Check = (value: Json) => string | undefined;

const TYPES = new Set<Json>(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);

const number: Check = (value) => (typeof value === 'number' ? undefined : 'must be a number');
const count: Check = (value) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? undefined : 'must be a non-negative integer';
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const text: Check = (value) => (typeof value === 'string' ? undefined : 'must be a string');
const names: Check = (value) =>
  Array.isArray(value) && value.every((name) => typeof name === 'string') ? undefined : 'must be an array of strings';
const type: Check = (value) => {
  const all = Array.isArray(value) ? value : [value];
  return all.length > 0 && all.every((one) => TYPES.has(one)) ? undefined : 'must name JSON types';
};

/**
 * The keywords that assert something about a value alone (JSON Schema Validation 2020-12 §6, and `format`, which
 * is asserted here). A keyword of the wrong form is an error: a validator that skips it would enforce less than
 * the author wrote.
 */
export const assertions: Readonly<Record<string, Check>> = {
  type,
  enum: (value) => (Array.isArray(value) ? undefined : 'must be an array'),
  const: () => undefined,
  multipleOf: (value) => (typeof value === 'number' && value > 0 ? undefined : 'must be a number above 0'),
  maximum: number,
  exclusiveMaximum: number,
  minimum: number,
  exclusiveMinimum: number,
  maxLength: count,
  minLength: count,
  pattern: text,
  format: text,
  maxItems: count,
  minItems: count,
  uniqueItems: flag,
  maxContains: count,
  minContains: count,
  maxProperties: count,
  minProperties: count,
  required: names,
};
