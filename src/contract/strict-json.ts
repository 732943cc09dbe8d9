import { deepFreeze, type Json } from './json.ts';

/** JSON that two parsers could read differently, or that is not JSON. The message is for the log. */
export class MalformedJson extends Error {}

/** How deep a whole JSON-RPC message may nest before anything looks at it; `arguments` have their own bound. */
export const MAX_DEPTH = 64;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses bytes that came from outside: UTF-8 without byte order mark, no duplicate keys on any level (RFC 8259 §4
 * leaves their meaning open, so two readers may differ), no lone surrogates, at most `maxDepth` containers deep.
 * @throws MalformedJson
 */
export function parseStrict(bytes: Uint8Array, maxDepth = MAX_DEPTH): { readonly text: string; readonly value: Json } {
  const parsed = parseUnfrozen(bytes, maxDepth);
  deepFreeze(parsed.value);
  return parsed;
}

/**
 * As `parseStrict`, for a reader that looks at the value and hands on the text alone: freezing costs as much as parsing.
 * @throws MalformedJson
 */
export function parseUnfrozen(
  bytes: Uint8Array,
  maxDepth = MAX_DEPTH,
): { readonly text: string; readonly value: Json } {
  const text = decode(bytes);
  return { text, value: parseText(text, maxDepth) };
}

/**
 * As `parseUnfrozen`, of a text that was well-formed UTF-8.
 * @throws MalformedJson
 */
export function parseText(text: string, maxDepth = MAX_DEPTH): Json {
  scan(text, maxDepth);
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new MalformedJson('not JSON (RFC 8259)');
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new MalformedJson('not UTF-8');
  }
}

/** The raw text of each member of the object that `text` is; `text` must have passed `parseStrict`. */
export function rawMembers(text: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  let at = skipSpace(text, 0) + 1;
  for (;;) {
    at = skipSpace(text, at);
    if (text.charCodeAt(at) === CLOSE_OBJECT) return members;
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
    const keyEnd = stringEnd(text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    at = valueEnd(text, start);
    members.set(key, text.slice(start, at));
  }
}

/** The raw text of each element of the array that `text` is; `text` must have passed `parseStrict`. */
export function rawElements(text: string): readonly string[] {
  const elements: string[] = [];
  let at = skipSpace(text, 0) + 1;
  for (;;) {
    at = skipSpace(text, at);
    if (text.charCodeAt(at) === CLOSE_ARRAY) return elements;
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
    const end = valueEnd(text, at);
    elements.push(text.slice(at, end));
    at = end;
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COLON = 0x3a;

/** One pass without recursion: depth, duplicate keys, surrogates. Grammar is left to JSON.parse, which follows. */
function scan(text: string, maxDepth: number): void {
  /** The keys so far of each open object, null for each open array. */
  const open: (KeySet | null)[] = [];
  let keys: KeySet | null = null;
  // The next backslash is looked up once and remembered: looking for it in each string would be quadratic.
  let slash = nextEscape(text, 0);
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      const escaped = slash < end;
      if (escaped) {
        checkSurrogates(text, slash, end);
        slash = nextEscape(text, end);
      }
      const next = skipSpace(text, end);
      if (keys !== null && text.charCodeAt(next) === COLON) keys.add(keyText(text, at, end, escaped));
      at = next;
    } else {
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
        keys = code === OPEN_OBJECT ? new KeySet() : null;
        if (open.push(keys) > maxDepth) throw new MalformedJson(`deeper than ${maxDepth}`);
      } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
        open.pop();
        keys = open[open.length - 1] ?? null;
      }
      at++;
    }
  }
}

/** The keys of one object; most have a few, for which a list is faster than a set. */
class KeySet {
  #few: string[] = [];
  #many: Set<string> | undefined;

  add(key: string): void {
    if (this.#many?.has(key) ?? this.#few.includes(key)) {
      throw new MalformedJson(`duplicate key ${JSON.stringify(key.slice(0, 64))}`);
    }
    if (this.#many !== undefined) this.#many.add(key);
    else if (this.#few.push(key) > 12) this.#many = new Set(this.#few);
  }
}

function keyText(text: string, start: number, end: number, escaped: boolean): string {
  if (!escaped) return text.slice(start + 1, end - 1);
  try {
    return JSON.parse(text.slice(start, end)) as string;
  } catch {
    throw new MalformedJson('not JSON (RFC 8259)');
  }
}

function nextEscape(text: string, from: number): number {
  const at = text.indexOf('\\', from);
  return at === -1 ? text.length : at;
}

/** A fatal UTF-8 decoder leaves no lone surrogate; only escapes can bring one. `start` is at a backslash. */
function checkSurrogates(text: string, start: number, end: number): void {
  for (let at = start; at < end; at = nextEscape(text, at + 2)) {
    if (text.charCodeAt(at + 1) !== 0x75 /* u */) continue;
    const unit = Number.parseInt(text.slice(at + 2, at + 6), 16);
    if (!(unit >= 0xd800 && unit <= 0xdfff)) continue;
    const next = text.slice(at + 6, at + 12);
    const low = next.startsWith('\\u') ? Number.parseInt(next.slice(2), 16) : 0;
    if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) throw new MalformedJson('lone surrogate');
    at += 6;
  }
}

/** The index behind the closing quote of the string that begins at `at`. */
export function stringEnd(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  while (end !== -1) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
  throw new MalformedJson('unfinished string');
}

export function skipSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

export function valueEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (code === COMMA || code <= 0x20)) return at;
    at++;
  }
  return text.length;
}
