import type { JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { ExecutedMethod } from '../../contract/tool-call.ts';
import { shownToken } from './json-pointer.ts';

/** What a server may ask back for, and a client repeat (MCP 2026-07-28, Multi Round-Trip Requests). */
const REPEATED = ['inputResponses', 'requestState'];

/** The members of params that the protocol knows. */
export const paramsMembers: Readonly<Record<ExecutedMethod, readonly string[]>> = {
  'tools/call': ['name', 'arguments', '_meta', ...REPEATED],
  'prompts/get': ['name', 'arguments', '_meta', ...REPEATED],
  'resources/read': ['uri', '_meta', ...REPEATED],
  'resources/list': ['cursor', '_meta'],
  'completion/complete': ['ref', 'argument', 'context', '_meta'],
};

/**
 * Lets no other member through than those. Many servers read names in any letter case, the last one winning (Go's
 * encoding/json does): to them `Arguments` would replace the `arguments` that were judged.
 * @throws Refusal `params`
 */
export function onlyMembers(object: JsonObject, known: readonly string[], pointer = ''): void {
  for (const key of Object.keys(object)) {
    if (!known.includes(key))
      throw new Refusal('params', `${pointer}/${shownToken(key)}: not a member of the protocol`);
  }
}
