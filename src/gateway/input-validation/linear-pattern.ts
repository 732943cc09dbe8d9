import { RE2JS } from 're2js';
import { expandedSize } from './pattern-size.ts';

/** A pattern of a schema that is matched in time linear in its input. */
export interface LinearPattern {
  test(text: string): boolean;
}

const MAX_STEPS = 4000;
const MAX_DEPTH = 50;

/**
 * Turns a regular expression of a schema (ECMA-262, JSON Schema Core §6.4) into one that runs on RE2: no backtracking,
 * so `(a+)+$` is harmless. Look-ahead is taken only where it is a separate condition on the whole text, at the very
 * front (`^(?!x)(?=y)rest`); look-behind and back-references never.
 * @throws Error with the reason, where RE2 cannot take it
 */
export function linearPattern(source: string, maxSteps = MAX_STEPS): LinearPattern {
  const { steps, depth } = expandedSize(source);
  // Before anything is compiled: written out, a few nested repetitions fill the memory.
  if (steps > maxSteps || depth > MAX_DEPTH) throw new Error('too many repetitions or groups');
  assertEcmaScript(source);
  if (source === '(?!)') return { test: () => false };
  const { conditions, rest } = splitLookaheads(source);
  const main = compile(rest);
  if (conditions.length === 0) return main;
  const tests = conditions.map(({ pattern, negative }) => ({ matcher: compile(`^(?:${pattern})`), negative }));
  return { test: (text) => main.test(text) && tests.every((one) => one.matcher.test(text) !== one.negative) };
}

/** The same as something that stands where a library asks for a `RegExp`. */
export function asRegExp(source: string, pattern: LinearPattern): RegExp {
  return Object.create(RegExp.prototype, {
    test: { value: (text: string) => pattern.test(text) },
    source: { value: source },
    flags: { value: 'u' },
    // Without its own spelling every pattern would print alike, and a cache by text would take one for another.
    toString: { value: () => `/${source}/u` },
  });
}

function compile(source: string): LinearPattern {
  const engine = RE2JS.compile(RE2JS.translateRegExp(sameClasses(source)));
  return { test: (text) => engine.test(text) };
}

const ESCAPE =
  /\\(?:([dDwWsSbBtnvfr0]|[^A-Za-z0-9]|x[0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|c[A-Za-z])|(u\{|[pP]\{))?/g;

/** Syntax that only RE2 knows (`\A`, `(?i)`, `\pN`) must not slip through: its author would have meant something else. */
function assertEcmaScript(source: string): void {
  const unicode = compiles(source, 'u');
  if (!unicode && !compiles(source, '')) throw new Error('not a regular expression (ECMA-262)');
  for (const [sequence, plain, braced] of source.matchAll(ESCAPE)) {
    if (plain === undefined && !(braced !== undefined && unicode))
      throw new Error(`escape ${sequence} is not supported`);
  }
  if (/\(\?[a-z-]+:/.test(source)) throw new Error('flags inside a pattern are not supported');
}

function compiles(source: string, flags: string): boolean {
  try {
    return new RegExp(source, flags) instanceof RegExp;
  } catch {
    return false;
  }
}

const LINE_ENDS = '\\n\\r\\x{2028}\\x{2029}';
/** White space of ECMA-262 §12.2 and §12.3, and its complement, as RE2 ranges. */
const SPACE = '\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}';
const NOT_SPACE =
  '\\x00-\\x08\\x0e-\\x1f!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}' +
  '\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}';

/** Spells out `.`, `\s` and `\S`, which RE2 reads more narrowly or widely than ECMA-262 does. */
function sameClasses(source: string): string {
  let out = '';
  let inClass = false;
  for (let at = 0; at < source.length; at++) {
    const char = source.charAt(at);
    if (char === '\\') {
      const next = source.charAt(++at);
      if (next === 's') out += inClass ? SPACE : `[${SPACE}]`;
      else if (next === 'S') out += inClass ? NOT_SPACE : `[${NOT_SPACE}]`;
      else out += `\\${next}`;
    } else if (inClass) {
      if (char === ']') inClass = false;
      // `[:alpha:]` and its like are RE2's, and plain characters to ECMA-262.
      out += char === '[' ? '\\[' : char;
    } else if (char === '[') {
      inClass = true;
      out += char;
    } else if (char === '.') out += `[^${LINE_ENDS}]`;
    else out += char;
  }
  return out;
}

interface Condition {
  readonly pattern: string;
  readonly negative: boolean;
}

/** Takes look-aheads off the front of `^…`, unless an alternative on the top level would be torn from them. */
function splitLookaheads(source: string): { readonly conditions: readonly Condition[]; readonly rest: string } {
  const conditions: Condition[] = [];
  let at = 1;
  while (source.startsWith('^') && isLookahead(source, at)) {
    const end = groupEnd(source, at);
    conditions.push({ pattern: source.slice(at + 3, end), negative: source.charAt(at + 2) === '!' });
    at = end + 1;
  }
  if (conditions.length === 0) return { conditions, rest: source };
  if (hasTopLevelAlternative(source)) throw new Error('look-ahead beside an alternative');
  return { conditions, rest: `^${source.slice(at)}` };
}

function isLookahead(source: string, at: number): boolean {
  return source.startsWith('(?=', at) || source.startsWith('(?!', at);
}

/** Index of the parenthesis that closes the group that opens at `at`. */
function groupEnd(source: string, at: number): number {
  let depth = 0;
  for (const token of tokens(source, at)) {
    if (token.char === '(') depth++;
    else if (token.char === ')' && --depth === 0) return token.at;
  }
  throw new Error('unfinished group');
}

function hasTopLevelAlternative(source: string): boolean {
  let depth = 0;
  for (const { char } of tokens(source, 0)) {
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === '|' && depth === 0) return true;
  }
  return false;
}

/** The characters that structure a pattern: neither escaped nor inside a class. */
function* tokens(source: string, from: number): Generator<{ readonly at: number; readonly char: string }> {
  let inClass = false;
  for (let at = from; at < source.length; at++) {
    const char = source.charAt(at);
    if (char === '\\') at++;
    else if (inClass) inClass = char !== ']';
    else if (char === '[') inClass = true;
    else yield { at, char };
  }
}
