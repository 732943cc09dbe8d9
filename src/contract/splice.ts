import { MalformedJson, skipSpace, stringEnd, valueEnd } from './strict-json.ts';

/** Where one member of an object lies in its text; `start` and `end` are the value's. */
export interface Member {
  readonly key: string;
  readonly keyStart: number;
  readonly start: number;
  readonly end: number;
}

/** Replaces what lies between `start` and `end`; an insertion where they are equal. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * The members of the object that begins at or, after white space, behind `from`; `close` is the index of its brace.
 * `text` must have passed `parseStrict`.
 * @throws MalformedJson where there is no object
 */
export function readObject(text: string, from = 0): { readonly members: readonly Member[]; readonly close: number } {
  const members: Member[] = [];
  let at = skipSpace(text, from);
  expect(text, at, '{');
  for (at = skipSpace(text, at + 1); text[at] !== '}'; at = skipSpace(text, at)) {
    if (members.length > 0) {
      expect(text, at, ',');
      at = skipSpace(text, at + 1);
    }
    expect(text, at, '"');
    const keyStart = at;
    const keyEnd = stringEnd(text, keyStart);
    const colon = skipSpace(text, keyEnd);
    expect(text, colon, ':');
    const start = skipSpace(text, colon + 1);
    at = valueEnd(text, start);
    members.push({ key: readString(text, keyStart, keyEnd), keyStart, start, end: at });
  }
  return { members, close: at };
}

/** Where each element begins, of the array that begins at `from`; none where something else begins there. */
export function readArray(text: string, from: number): readonly number[] {
  const starts: number[] = [];
  let at = skipSpace(text, from);
  if (text[at] !== '[') return starts;
  for (at = skipSpace(text, at + 1); text[at] !== ']'; at = skipSpace(text, at)) {
    if (starts.length > 0) {
      expect(text, at, ',');
      at = skipSpace(text, at + 1);
    }
    starts.push(at);
    at = valueEnd(text, at);
  }
  return starts;
}

export function findMember(members: readonly Member[], key: string): Member | undefined {
  return members.find((member) => member.key === key);
}

/** Edits that take the members out which `drop` names, with their commas; the others keep every byte. */
export function dropMembers(members: readonly Member[], drop: (key: string) => boolean): readonly Edit[] {
  const edits: Edit[] = [];
  let kept = false;
  for (const [index, member] of members.entries()) {
    const [before, after] = [members[index - 1], members[index + 1]];
    if (!drop(member.key)) kept = true;
    else if (kept && before) edits.push({ start: before.end, end: member.end, text: '' });
    else edits.push({ start: member.keyStart, end: after?.keyStart ?? member.end, text: '' });
  }
  return edits;
}

/** The edit that puts members (`"key":value`, joined by commas) behind the last one of an object. */
export function appendMembers(object: ReturnType<typeof readObject>, text: string): Edit {
  const last = object.members.at(-1);
  if (last === undefined) return { start: object.close, end: object.close, text };
  return { start: last.end, end: last.end, text: `,${text}` };
}

/** Applies edits that do not overlap, in one pass; every other byte survives. */
export function splice(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text;
  let result = '';
  let at = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return result + text.slice(at);
}

function readString(text: string, start: number, end: number): string {
  const plain = text.slice(start + 1, end - 1);
  return plain.includes('\\') ? String(JSON.parse(text.slice(start, end))) : plain;
}

function expect(text: string, at: number, char: string): void {
  if (text[at] !== char) throw new MalformedJson(`no ${char} at ${at}`);
}
