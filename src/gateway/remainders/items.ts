import { findMember, readObject } from '../../contract/splice.ts';

type RawObject = ReturnType<typeof readObject>;

/** One thing of a result that can be read on: as the contents of a resource (MCP 2025-11-25 resources). */
export type Item = { readonly uri?: string | undefined; readonly mimeType?: string | undefined } & (
  | { readonly text: string }
  | { readonly blob: string }
);

/** Where the text stands that can be cut: of a block its own, or its resource's; of a prompt's message its content's. */
export function textOf(raw: string, at: number): { readonly start: number; readonly end: number } | undefined {
  const element = objectAt(raw, at);
  const isMessage = element !== undefined && findMember(element.members, 'role') !== undefined;
  const block = isMessage ? memberAt(raw, element, 'content') : element;
  if (block === undefined) return undefined;
  const inner = stringMember(raw, block, 'type') === 'resource' ? memberAt(raw, block, 'resource') : block;
  const text = inner && findMember(inner.members, 'text');
  return text !== undefined && raw[text.start] === '"' ? text : undefined;
}

/** What a content block, or an element of a resource's `contents`, is to whoever reads it later. */
export function itemOf(raw: string, at: number, end: number): Item {
  const block = objectAt(raw, at);
  const inner = block && stringMember(raw, block, 'type') === 'resource' ? memberAt(raw, block, 'resource') : block;
  if (inner !== undefined) {
    const said = { uri: nameIn(raw, inner, 'uri'), mimeType: nameIn(raw, inner, 'mimeType') };
    const type = stringMember(raw, inner, 'type');
    const text = stringMember(raw, inner, 'text');
    if (text !== undefined && (type === undefined || type === 'text')) return { ...said, text };
    const blob = stringMember(raw, inner, type === 'image' || type === 'audio' ? 'data' : 'blob');
    if (blob !== undefined) return { ...said, blob };
  }
  return { mimeType: 'application/json', text: raw.slice(at, end) };
}

/** Each piece repeats it. */
const LONGEST_NAME = 512;

function nameIn(raw: string, object: RawObject, key: string): string | undefined {
  const name = stringMember(raw, object, key);
  return name !== undefined && name.length <= LONGEST_NAME ? name : undefined;
}

function objectAt(raw: string, at: number): RawObject | undefined {
  return raw[at] === '{' ? readObject(raw, at) : undefined;
}

function memberAt(raw: string, object: RawObject, key: string): RawObject | undefined {
  const member = findMember(object.members, key);
  return member && objectAt(raw, member.start);
}

function stringMember(raw: string, object: RawObject, key: string): string | undefined {
  const member = findMember(object.members, key);
  if (member === undefined || raw[member.start] !== '"') return undefined;
  return String(JSON.parse(raw.slice(member.start, member.end)));
}
