import type { Edit } from '../../contract/splice.ts';
import { findMember, readArray, readObject } from '../../contract/splice.ts';
import type { ExecutedMethod } from '../../contract/tool-call.ts';

type RawObject = ReturnType<typeof readObject>;

/**
 * Edits that put a prefix before every resource URI of a server's result, wherever the protocol has one: also in what
 * a server asks of the client before it goes on (MCP 2026-07-28, Multi Round-Trip Requests).
 */
export function uriEditsOf(method: ExecutedMethod, raw: string, prefix: string): Edit[] {
  const result = readObject(raw);
  return [...ownEdits(method, raw, result, prefix), ...askedEdits(raw, result, prefix)];
}

function ownEdits(method: ExecutedMethod, raw: string, result: RawObject, prefix: string): readonly Edit[] {
  switch (method) {
    case 'tools/call':
      return arrayOf(raw, result, 'content').flatMap((at) => contentEdits(raw, at, prefix));
    case 'prompts/get':
      return arrayOf(raw, result, 'messages').flatMap((at) => messageEdits(raw, at, prefix));
    case 'resources/read':
      return arrayOf(raw, result, 'contents').flatMap((at) => uriEdits(raw, at, prefix));
    case 'resources/list':
      return arrayOf(raw, result, 'resources').flatMap((at) => uriEdits(raw, at, prefix));
    case 'resources/subscribe':
    case 'completion/complete':
      return [];
  }
}

/** Of the three kinds of requests only sampling shows the client content; a URL to visit is no resource. */
function askedEdits(raw: string, result: RawObject, prefix: string): readonly Edit[] {
  const asked = objectOf(raw, result, 'inputRequests');
  return (asked?.members ?? []).flatMap(({ start }) => {
    if (raw[start] !== '{') return [];
    const request = readObject(raw, start);
    if (stringMember(raw, request, 'method') !== 'sampling/createMessage') return [];
    const params = objectOf(raw, request, 'params');
    return params === undefined ? [] : sampledEdits(raw, params, prefix);
  });
}

function sampledEdits(raw: string, params: RawObject, prefix: string): Edit[] {
  return arrayOf(raw, params, 'messages').flatMap((at) => messageEdits(raw, at, prefix));
}

/** The same for the params of a request that a server of an older revision makes in mid-call. */
export function askedUriEdits(method: string, params: string, prefix: string): readonly Edit[] {
  return method === 'sampling/createMessage' ? sampledEdits(params, readObject(params), prefix) : [];
}

function messageEdits(raw: string, at: number, prefix: string): readonly Edit[] {
  if (raw[at] !== '{') return [];
  const content = findMember(readObject(raw, at).members, 'content');
  return content === undefined ? [] : contentsEdits(raw, content.start, prefix);
}

/** One block, or an array of them. */
function contentsEdits(raw: string, at: number, prefix: string): readonly Edit[] {
  if (raw[at] === '{') return contentEdits(raw, at, prefix);
  return readArray(raw, at).flatMap((block) => contentEdits(raw, block, prefix));
}

/**
 * A `resource_link` has its `uri` itself, an embedded `resource` in the object of that name; a `tool_result` has
 * content of its own.
 */
function contentEdits(raw: string, at: number, prefix: string): readonly Edit[] {
  if (raw[at] !== '{') return [];
  const block = readObject(raw, at);
  const inner = (key: string) => findMember(block.members, key)?.start;
  switch (stringMember(raw, block, 'type')) {
    case 'resource_link':
      return uriEdits(raw, at, prefix);
    case 'resource':
      return uriEdits(raw, inner('resource'), prefix);
    case 'tool_result': {
      const content = inner('content');
      return content === undefined ? [] : contentsEdits(raw, content, prefix);
    }
    default:
      return [];
  }
}

function uriEdits(raw: string, at: number | undefined, prefix: string): readonly Edit[] {
  if (at === undefined || raw[at] !== '{') return [];
  const uri = findMember(readObject(raw, at).members, 'uri');
  if (uri === undefined || raw[uri.start] !== '"') return [];
  return [{ start: uri.start + 1, end: uri.start + 1, text: prefix }];
}

function objectOf(raw: string, object: RawObject, key: string): RawObject | undefined {
  const member = findMember(object.members, key);
  return member === undefined || raw[member.start] !== '{' ? undefined : readObject(raw, member.start);
}

function arrayOf(raw: string, object: RawObject, key: string): readonly number[] {
  const member = findMember(object.members, key);
  return member === undefined ? [] : readArray(raw, member.start);
}

export function stringMember(raw: string, object: RawObject, key: string): string | undefined {
  const member = findMember(object.members, key);
  if (member === undefined || raw[member.start] !== '"') return undefined;
  return String(JSON.parse(raw.slice(member.start, member.end)));
}
