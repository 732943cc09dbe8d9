import type { JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { ExecutedMethod } from '../../contract/tool-call.ts';
import { shownToken } from './json-pointer.ts';
import { REPEATED } from './repeated.ts';

/** The members of params that the protocol knows. */
export const paramsMembers: Readonly<Record<ExecutedMethod, readonly string[]>> = {
  'tools/call': ['name', 'arguments', 'task', '_meta', ...REPEATED],
  'prompts/get': ['name', 'arguments', '_meta', ...REPEATED],
  'resources/read': ['uri', '_meta', ...REPEATED],
  'resources/subscribe': ['uri', '_meta'],
  'resources/list': ['cursor', '_meta'],
  'completion/complete': ['ref', 'argument', 'context', '_meta'],
};

/**
 * Lets no member through that is a known one in another spelling. Many servers read names in any letter case, the last
 * one winning (Go's encoding/json folds case): to them `Arguments` would replace the `arguments` that were judged.
 * What is simply unknown survives: a later revision may have given it a meaning.
 * @throws Refusal `params`
 */
export function noLookalikes(object: JsonObject, known: readonly string[], pointer = ''): void {
  for (const key of Object.keys(object)) {
    if (!known.includes(key) && known.some((name) => folded(name) === folded(key)))
      throw new Refusal('params', `${pointer}/${shownToken(key)}: a member of the protocol in another spelling`);
  }
}

/** Simple case folding, wide enough for long s and the Kelvin sign. */
function folded(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase();
}
