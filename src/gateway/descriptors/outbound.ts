import { Refusal } from '../../contract/refusal.ts';
import { appendMembers, type Edit, findMember, readObject, splice } from '../../contract/splice.ts';
import { MalformedJson } from '../../contract/strict-json.ts';
import type { Target } from '../../contract/tool-call.ts';
import { encodeCursor } from './cursor.ts';
import { stringMember, uriEditsOf } from './resource-uris.ts';

type RawObject = ReturnType<typeof readObject>;

/**
 * Turns a server's raw result into what the client reads: on `/mcp` the resource URIs bear the server's name and the
 * cursor is ours; for 2026-07-28 the members that the revision demands are there, and nothing may be shared between
 * callers. All else stays byte for byte.
 * @param aggregate whether the call came by `/mcp`
 * @param modern whether the client speaks 2026-07-28
 * @param resultRaw has passed `parseStrict`
 * @throws Refusal upstream where it is no object, or asks for what a client of an older revision cannot give
 */
export function outbound(target: Target, aggregate: boolean, modern: boolean, resultRaw: string): string {
  try {
    const result = readObject(resultRaw);
    const complete = isComplete(resultRaw, result);
    if (!complete && !modern)
      throw new Refusal('upstream', 'wants input that a client of an older revision cannot give');
    const edits = aggregate ? uriEditsOf(target.method, resultRaw, `${target.server}+`) : [];
    const added: string[] = [];
    if (aggregate && target.method === 'resources/list') edits.push(...pageEdits(target, resultRaw, result, added));
    if (modern && complete) edits.push(...modernEdits(target, resultRaw, result, added));
    if (added.length > 0) edits.push(appendMembers(result, added.join(',')));
    return splice(resultRaw, edits);
  } catch (error) {
    throw error instanceof MalformedJson ? new Refusal('upstream', `result: ${error.message}`) : error;
  }
}

/** Absent from an older server means complete (MCP 2026-07-28, Result Type). */
function isComplete(raw: string, result: RawObject): boolean {
  if (findMember(result.members, 'resultType') === undefined) return true;
  const type = stringMember(raw, result, 'resultType');
  if (type === 'complete' || type === 'input_required') return type === 'complete';
  // Whatever else there is, is not ours to hand on: a task's id would be the server's own.
  throw new Refusal('upstream', 'a resultType that is not known here');
}

/** The server's own next page, or the first page of the next server. */
function pageEdits(target: Target, raw: string, result: RawObject, added: string[]): readonly Edit[] {
  const own = stringMember(raw, result, 'nextCursor');
  const mark = own === undefined ? target.next && { server: target.next } : { server: target.server, cursor: own };
  const text = mark ? JSON.stringify(encodeCursor(mark)) : undefined;
  const member = findMember(result.members, 'nextCursor');
  if (member !== undefined && text !== undefined) return [{ start: member.start, end: member.end, text }];
  if (text !== undefined) added.push(`"nextCursor":${text}`);
  return [];
}

/** What was read under one caller's rights is never anybody else's, whatever the server says of its caching. */
function modernEdits(target: Target, raw: string, result: RawObject, added: string[]): readonly Edit[] {
  const has = (key: string) => findMember(result.members, key);
  if (!has('resultType')) added.push('"resultType":"complete"');
  if (target.method !== 'resources/read' && target.method !== 'resources/list') return [];
  const edits: Edit[] = [];
  const want = (key: string, value: string, holds: (raw: string) => boolean) => {
    const member = has(key);
    if (member === undefined) added.push(`"${key}":${value}`);
    else if (!holds(raw.slice(member.start, member.end)))
      edits.push({ start: member.start, end: member.end, text: value });
  };
  want('ttlMs', '0', (text) => /^(?:0|[1-9]\d{0,14})$/.test(text));
  want('cacheScope', '"private"', (text) => text === '"private"');
  return edits;
}
