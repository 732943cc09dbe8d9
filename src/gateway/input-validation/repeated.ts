import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { bounds } from './bounds.ts';

/** What a server may ask back for, and a client repeat (MCP 2026-07-28, Multi Round-Trip Requests). */
export const REPEATED = ['inputResponses', 'requestState'] as const;

/** Characters of a sealed state; none of ours is longer. */
const MAX_STATE = 64 * 1024;
const MAX_RESPONSES = 100;

/**
 * Bounds what a client repeats: its answers may hold images, so a text is as long as a body may be.
 * @throws Refusal `params`
 */
export function checkRepeated({ requestState, inputResponses }: JsonObject): void {
  if (requestState !== undefined && (typeof requestState !== 'string' || requestState.length > MAX_STATE))
    refuse(`/requestState: no string of at most ${MAX_STATE} characters`);
  if (inputResponses === undefined) return;
  if (!isObject(inputResponses)) refuse('/inputResponses: not an object');
  if (Object.keys(inputResponses).length > MAX_RESPONSES) refuse(`/inputResponses: more than ${MAX_RESPONSES} members`);
  if (!isBounded(inputResponses, bounds.depth)) refuse('/inputResponses: too deep, or too many members');
}

function isBounded(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const members: readonly Json[] = Object.values(value);
  return depth > 0 && members.length <= bounds.members && members.every((member) => isBounded(member, depth - 1));
}

function refuse(detail: string): never {
  throw new Refusal('params', detail);
}
