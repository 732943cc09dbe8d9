import type { PinnedDescriptor } from '../../contract/descriptors.ts';
import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { shownToken } from './json-pointer.ts';
import { noLookalikes } from './known-members.ts';

/**
 * Arguments of prompts/get: strings only, each declared in the pinned prompt, the required ones there.
 * @throws Refusal `params`
 */
export function promptArguments(params: JsonObject, pin: PinnedDescriptor | undefined): JsonObject {
  const args = strings(params.arguments, '/arguments');
  const declared = declaredArguments(pin);
  for (const name of Object.keys(args)) {
    if (!declared.has(name)) refuse(`/arguments/${shownToken(name)}: not declared by the prompt`);
  }
  for (const [name, required] of declared) {
    if (required && !Object.hasOwn(args, name)) refuse(`/arguments: ${shownToken(name)} is required`);
  }
  return args;
}

/** The `uri` of resources/read. @throws Refusal `params` */
export function resourceUri(params: JsonObject): JsonObject {
  return Object.freeze({ uri: uri(params.uri, '/uri') });
}

/**
 * The `argument` of completion/complete (MCP 2025-11-25, completion).
 * @throws Refusal `params`
 */
export function completionArguments(params: JsonObject, pin: PinnedDescriptor | undefined): JsonObject {
  const { ref, argument, context } = params;
  if (!isObject(ref)) refuse('/ref: not an object');
  if (!isObject(argument)) refuse('/argument: not an object');
  noLookalikes(argument, ['name', 'value'], '/argument');
  const { name, value } = argument;
  if (typeof name !== 'string' || typeof value !== 'string') refuse('/argument: name and value must be strings');
  if (ref.type === 'ref/prompt') {
    noLookalikes(ref, ['type', 'name', 'title'], '/ref');
    if (typeof ref.name !== 'string') refuse('/ref/name: not a string');
    if (!declaredArguments(pin).has(name)) refuse(`/argument/name: ${shownToken(name)} is not declared by the prompt`);
  } else if (ref.type === 'ref/resource') {
    noLookalikes(ref, ['type', 'uri'], '/ref');
    // A template (RFC 6570) rather than a URI.
    if (typeof ref.uri !== 'string') refuse('/ref/uri: not a string');
  } else refuse('/ref/type: neither ref/prompt nor ref/resource');
  if (context !== undefined) {
    if (!isObject(context)) refuse('/context: not an object');
    noLookalikes(context, ['arguments'], '/context');
    strings(context.arguments, '/context/arguments');
  }
  return argument;
}

/** resources/list knows one parameter. @throws Refusal `params` */
export function cursorOnly(params: JsonObject): undefined {
  if (params.cursor !== undefined && typeof params.cursor !== 'string') refuse('/cursor: not a string');
}

function strings(args: Json | undefined, pointer: string): JsonObject {
  if (args === undefined) return Object.freeze({});
  if (!isObject(args)) refuse(`${pointer}: not an object`);
  for (const [name, value] of Object.entries(args)) {
    if (typeof value !== 'string') refuse(`${pointer}/${shownToken(name)}: not a string`);
  }
  return args;
}

/** RFC 3986 §3.1 and §2: a scheme, and neither white space nor control characters, which parsers drop silently. */
const URI = /^[a-z][a-z0-9+.-]*:[^\u0000-\u0020\u007f-\u00a0\u2028\u2029\\]*$/i;

function uri(value: Json | undefined, pointer: string): string {
  if (typeof value !== 'string') refuse(`${pointer}: not a string`);
  if (!URI.test(value) || !URL.canParse(value)) refuse(`${pointer}: not a URI`);
  return value;
}

/** Name → required. A prompt whose pin cannot be read declares nothing. */
function declaredArguments(pin: PinnedDescriptor | undefined): ReadonlyMap<string, boolean> {
  const prompt: Json = pin === undefined ? null : JSON.parse(pin.raw);
  const declared = new Map<string, boolean>();
  const list = isObject(prompt) && Array.isArray(prompt.arguments) ? prompt.arguments : [];
  for (const one of list) {
    if (isObject(one) && typeof one.name === 'string') declared.set(one.name, one.required === true);
  }
  return declared;
}

function refuse(detail: string): never {
  throw new Refusal('params', detail);
}
