import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';

/** UTF-16 units of what a client says that it can do: kept as long as its session, and told with each of its calls. */
const MAX_CAPABILITIES = 16 * 1024;

/** @throws Refusal params where they are too large; what is no object declares nothing */
export function capabilitiesOf(value: Json | undefined): JsonObject {
  if (!isObject(value)) return {};
  const size = JSON.stringify(value).length;
  if (size > MAX_CAPABILITIES) throw new Refusal('params', `capabilities of ${size} characters`);
  return value;
}
