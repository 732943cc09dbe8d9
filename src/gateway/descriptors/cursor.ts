import { isObject, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { MalformedJson, parseStrict } from '../../contract/strict-json.ts';

/** An opaque page mark of our own: base64url (RFC 4648 §5) of a flat JSON object. It is no secret and grants nothing. */
export function encodeCursor(mark: JsonObject): string {
  return Buffer.from(JSON.stringify(mark)).toString('base64url');
}

/**
 * Reads a page mark that came back from a client; only the one spelling that `encodeCursor` makes is taken.
 * @throws Refusal params
 */
export function decodeCursor(cursor: string): JsonObject {
  const bytes = Buffer.from(cursor, 'base64url');
  try {
    const { value } = parseStrict(bytes, 1);
    if (isObject(value) && encodeCursor(value) === cursor) return value;
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
  }
  throw new Refusal('params', 'a cursor that is not ours');
}
