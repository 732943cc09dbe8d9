import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { EmbeddedRefusal, told } from './embedded-refusal.ts';

/** Why a form's content does not fit; undefined: it fits. */
export type Accepts = (content: Json | undefined) => string | undefined;

type Check = (value: Json) => boolean;

const MAX_FIELDS = 100;
const MAX_CHOICES = 1000;

/**
 * What a form's content is held against: the flat schema of primitives and choices that `elicitation/create` may carry
 * (MCP 2025-11-25, Elicitation, Requested Schema). No content has a field that was not asked for.
 * @throws EmbeddedRefusal for any other schema
 */
export function acceptsOf(schema: Json | undefined): Accepts {
  if (!isObject(schema) || schema.type !== 'object' || !isObject(schema.properties)) refuse('no flat object');
  const fields = Object.entries(schema.properties);
  if (fields.length > MAX_FIELDS) refuse(`more than ${MAX_FIELDS} fields`);
  const checks = new Map(fields.map(([name, field]) => [name, checkOf(field, name)]));
  const required = schema.required === undefined ? [] : strings(schema.required, 'required');
  return (content) => {
    if (!isObject(content)) return 'content is no object';
    for (const name of required) if (!Object.hasOwn(content, name)) return `${name} is missing`;
    for (const [name, value] of Object.entries(content)) {
      const check = checks.get(name);
      if (check === undefined) return `${name} was not asked for`;
      if (!check(value)) return `${name} does not fit`;
    }
    return undefined;
  };
}

function checkOf(field: Json, name: string): Check {
  if (!isObject(field)) refuse(`${name} is no schema`);
  switch (field.type) {
    case 'boolean':
      return (value) => typeof value === 'boolean';
    case 'integer':
      return within(field, name, (value) => Number.isSafeInteger(value));
    case 'number':
      return within(field, name, (value) => typeof value === 'number');
    case 'string':
      return textCheck(field, name);
    case 'array':
      return choicesCheck(field, name);
    default:
      return refuse(`${name} is neither primitive nor a choice`);
  }
}

function within(field: JsonObject, name: string, isKind: Check): Check {
  const least = limit(field.minimum, name) ?? Number.NEGATIVE_INFINITY;
  const most = limit(field.maximum, name) ?? Number.POSITIVE_INFINITY;
  return (value) => isKind(value) && Number(value) >= least && Number(value) <= most;
}

/** Lengths count characters, as JSON Schema does (2020-12 validation, §6.3). */
function textCheck(field: JsonObject, name: string): Check {
  const choices = choicesOf(field, 'oneOf', name);
  const shortest = limit(field.minLength, name) ?? 0;
  const longest = limit(field.maxLength, name) ?? Number.POSITIVE_INFINITY;
  const format = field.format === undefined ? undefined : (FORMATS.get(String(field.format)) ?? unknownFormat(name));
  return (value) => {
    if (typeof value !== 'string') return false;
    if (choices !== undefined && !choices.has(value)) return false;
    const length = [...value].length;
    return length >= shortest && length <= longest && (format === undefined || format(value));
  };
}

function choicesCheck(field: JsonObject, name: string): Check {
  const { items } = field;
  const choices = isObject(items) ? choicesOf(items, 'anyOf', name) : undefined;
  if (choices === undefined) refuse(`${name} is an array of no choices`);
  const least = limit(field.minItems, name) ?? 0;
  const most = limit(field.maxItems, name) ?? Number.POSITIVE_INFINITY;
  return (value) =>
    isArray(value) &&
    value.length >= least &&
    value.length <= most &&
    value.every((one) => typeof one === 'string' && choices.has(one));
}

/** `enum`, or titled choices: `const` and `title` under `oneOf` or `anyOf`. */
function choicesOf(field: JsonObject, titled: 'oneOf' | 'anyOf', name: string): ReadonlySet<string> | undefined {
  if (field.enum !== undefined) return new Set(strings(field.enum, name));
  const list = field[titled];
  if (list === undefined) return undefined;
  if (!isArray(list)) refuse(`${titled} of ${name} is no array`);
  return new Set(
    strings(
      list.map((one) => (isObject(one) ? (one.const ?? null) : null)),
      name,
    ),
  );
}

const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['email', (text) => text.length <= 320 && /^[^\s@<>()",:;[\]\\]+@[^\s@.]+(?:\.[^\s@.]+)*$/.test(text)],
  ['uri', (text) => !/[\s\\]/.test(text) && URL.canParse(text)],
  ['date', (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && isDay(text)],
  [
    'date-time',
    (text) => DATE_TIME.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text.toUpperCase())),
  ],
]);

/** RFC 3339 §5.6. */
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/i;

function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

function unknownFormat(name: string): never {
  return refuse(`the format of ${name} is not one of the protocol's`);
}

function limit(value: Json | undefined, name: string): number | undefined {
  if (value === undefined || typeof value === 'number') return value;
  return refuse(`a limit of ${name} is no number`);
}

function strings(value: Json, name: string): readonly string[] {
  if (!isArray(value) || value.length > MAX_CHOICES) refuse(`${name} is no short list`);
  return value.map((one) => (typeof one === 'string' ? one : refuse(`${name} lists what is no text`)));
}

function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function refuse(detail: string): never {
  throw new EmbeddedRefusal('upstream', `requestedSchema: ${detail.slice(0, 256)}`, told.malformed);
}
