/** A JSON value as `JSON.parse` gives it; everything that a stage hands on is deep-frozen. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Freezes a freshly parsed value in place, so that what is authorised is what is executed. */
export function deepFreeze<T extends Json>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const key in value) deepFreeze((value as JsonObject)[key] as Json);
    Object.freeze(value);
  }
  return value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
