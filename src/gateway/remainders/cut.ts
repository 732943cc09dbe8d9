import { type Edit, findMember, readArray, readObject, splice } from '../../contract/splice.ts';
import { valueEnd } from '../../contract/strict-json.ts';
import type { ExecutedMethod } from '../../contract/tool-call.ts';
import { type Item, itemOf, textOf } from './items.ts';
import { LEAST, OWN_WORDS } from './limits.ts';
import { shorten } from './shorten.ts';
import { bytesOf, cutAt } from './text.ts';

/** The list in which a result has what a model reads. */
const LISTS: Partial<Record<ExecutedMethod, string>> = {
  'tools/call': 'content',
  'prompts/get': 'messages',
  'resources/read': 'contents',
};

/** Bytes below which half a text is not worth having. */
const SCRAP = 256;

export interface Cut {
  /** A result of the same kind, which has room for `OWN_WORDS` more. */
  readonly head: string;
  /** Where in it a further element of its list goes: before this place, */
  readonly end: number;
  /** and whether that needs a comma before it. */
  readonly isEmpty: boolean;
  /** What is not in it, in order. */
  readonly rest: readonly Item[];
}

/**
 * Cuts a result that is larger than `limit` bytes where it stays valid: texts at a line end or between code points,
 * lists between their elements, structured content as JSON. What is not text (pictures, files) is in the head whole or not
 * at all. Undefined: it cannot be cut (a page of a list, a result whose other members alone are too large).
 * @param raw JSON that has passed `parseStrict`, and the filter: what is read later is cut out of this
 */
export function cut(method: ExecutedMethod, raw: string, limit: number): Cut | undefined {
  const { members } = readObject(raw);
  const list = findMember(members, LISTS[method] ?? '');
  if (list === undefined || raw[list.start] !== '[' || limit < LEAST) return undefined;
  const structured = method === 'tools/call' ? findMember(members, 'structuredContent') : undefined;
  const sizeOf = (member: { start: number; end: number } | undefined): number =>
    member === undefined ? 0 : bytesOf(raw.slice(member.start, member.end));
  const room = limit - OWN_WORDS - (bytesOf(raw) - sizeOf(list) - sizeOf(structured));
  if (room < LEAST / 4) return undefined;

  const edits: Edit[] = [];
  const after: Item[] = [];
  let left = room;
  if (structured !== undefined) {
    // Whatever the texts leave, and half of all at least.
    const share = Math.max(Math.floor(room / 2), room - sizeOf(list));
    if (sizeOf(structured) > share) {
      edits.push({ start: structured.start, end: structured.end, text: shorten(raw, structured.start, share) });
      after.push({ mimeType: 'application/json', text: raw.slice(structured.start, structured.end) });
    }
    left -= Math.min(share, sizeOf(structured));
  }
  const { kept, rest } = fitting(raw, list.start, left - 2);
  edits.push({ start: list.start, end: list.end, text: `[${kept.join(',')}]` });
  const head = splice(raw, edits);
  const grown = findMember(readObject(head).members, LISTS[method] ?? '');
  if (grown === undefined) return undefined;
  return { head, end: grown.end - 1, isEmpty: kept.length === 0, rest: [...rest, ...after] };
}

/** The elements that fit into `room` bytes, of the first that does not what can be had of its text, and all others. */
function fitting(raw: string, from: number, room: number): { readonly kept: string[]; readonly rest: Item[] } {
  const kept: string[] = [];
  const rest: Item[] = [];
  let left = room;
  for (const at of readArray(raw, from)) {
    const element = raw.slice(at, valueEnd(raw, at));
    const size = bytesOf(element) + 1;
    if (rest.length === 0 && size <= left) {
      kept.push(element);
      left -= size;
      continue;
    }
    const text = rest.length === 0 ? textOf(element, 0) : undefined;
    const half = text && halved(element, text, left);
    if (half !== undefined) kept.push(half.kept);
    rest.push(half?.rest ?? itemOf(element, 0, element.length));
  }
  return { kept, rest };
}

function halved(element: string, text: { start: number; end: number }, left: number) {
  const around = bytesOf(element) - bytesOf(element.slice(text.start, text.end)) + 3;
  if (left - around < SCRAP) return undefined;
  const whole: string = JSON.parse(element.slice(text.start, text.end));
  const at = cutAt(whole, left - around);
  if (at === 0) return undefined;
  const kept = splice(element, [{ ...text, text: JSON.stringify(whole.slice(0, at)) }]);
  const item = itemOf(element, 0, element.length);
  return { kept, rest: { uri: item.uri, mimeType: item.mimeType, text: whole.slice(at) } };
}
