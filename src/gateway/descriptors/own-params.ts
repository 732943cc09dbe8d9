import { deepFreeze, isObject, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { dropMembers, type Edit, findMember, readObject, splice } from '../../contract/splice.ts';
import type { Frame, Target } from '../../contract/tool-call.ts';

/** A string member of params, by one or two keys; without a value it is taken out. */
export interface Change {
  readonly path: readonly string[];
  readonly value: string | undefined;
}

/** What is between the client and the gateway; upstream the runtime speaks for itself. */
const ENVELOPE = 'io.modelcontextprotocol/';

/**
 * The params as the server will read them: the one changed member, and `_meta` without the envelope that the gateway
 * itself was spoken to with. Value and raw text change by the same edit; every other byte is the client's.
 * @param dropped members that are the gateway's alone, by one or two keys
 * @throws Refusal params
 */
export function ownParams(
  frame: Frame,
  change: Change | undefined,
  dropped: readonly (readonly string[])[] = [],
): Pick<Target, 'params' | 'paramsRaw'> {
  const { params = {}, paramsRaw = '{}' } = frame;
  // One after the other: two members that are taken out beside each other share a comma.
  const named = splice(paramsRaw, changeEdits(paramsRaw, 0, change));
  const changed = dropped.reduce((raw, path) => splice(raw, changeEdits(raw, 0, { path, value: undefined })), named);
  const raw = splice(changed, envelopeEdits(changed, params));
  if (raw === paramsRaw) return { params: deepFreeze(params), paramsRaw };
  const value: JsonObject = JSON.parse(raw);
  return { params: deepFreeze(value), paramsRaw: raw };
}

function changeEdits(raw: string, from: number, change: Change | undefined): readonly Edit[] {
  const [key, ...rest] = change?.path ?? [];
  if (change === undefined || key === undefined) return [];
  const { members } = readObject(raw, from);
  const member = findMember(members, key);
  if (member === undefined) return [];
  if (rest.length > 0) return changeEdits(raw, member.start, { path: rest, value: change.value });
  if (change.value === undefined) return dropMembers(members, (name) => name === key);
  return [{ start: member.start, end: member.end, text: JSON.stringify(change.value) }];
}

function envelopeEdits(raw: string, params: JsonObject): readonly Edit[] {
  const { _meta: meta } = params;
  if (meta === undefined) return [];
  if (!isObject(meta)) throw new Refusal('params', '_meta is no object');
  const keys = Object.keys(meta);
  const isEnvelope = (key: string) => key.startsWith(ENVELOPE);
  if (!keys.some(isEnvelope)) return [];
  const { members } = readObject(raw);
  if (keys.every(isEnvelope)) return dropMembers(members, (key) => key === '_meta');
  const member = findMember(members, '_meta');
  return member === undefined ? [] : dropMembers(readObject(raw, member.start).members, isEnvelope);
}
