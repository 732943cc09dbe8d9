import {
  type DetailedError,
  type PolicyJson,
  policySetTextToParts,
  policyToJson,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { Approver } from '../../../contract/policy-engine.ts';
import { ExactCache } from '../host/cache.ts';
import { indexOfByte, positions } from '../host/problems.ts';

/** One policy of a file, parsed once. */
export interface ParsedPolicy {
  /** `file.cedar:LINE` of its first token; a second policy on that line gets `:COLUMN` as well. */
  readonly id: string;
  readonly file: string;
  readonly text: string;
  readonly json: PolicyJson;
  /** Of a forbid with `@ask("…")`: who may lift it for one call. */
  readonly ask: Approver | undefined;
  /** The file's text and where in it this policy begins. */
  readonly source: string;
  readonly start: number;
}

/** Cedar's parser runs on a fixed stack; text beyond these bounds can end in a trap, after which no call works. */
const MAX_NESTING = 48;
const MAX_OPERATORS = 256;
const MAX_POSTFIXES = 64;

interface Piece {
  readonly start: number;
  readonly end: number;
}

/** Strings and comments as whole tokens, then the single ones that matter here. */
const TOKEN = /"(?:[^"\\]|\\[\s\S])*"|\/\/[^\n\r]*|\s+|\|\||&&|==|!=|<=|>=|::|\bif\b|[\p{L}\p{N}_]+|[\s\S]/gu;
const OPERATOR = new Set([
  '||',
  '&&',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  '+',
  '-',
  '*',
  '!',
  'if',
  'like',
  'in',
  'has',
  'is',
]);

interface Split {
  readonly pieces: readonly Piece[];
  /** Where text begins that no `;` ends. */
  readonly rest: number | undefined;
  /** Where a policy begins that must not reach the parser. */
  readonly excessive: number | undefined;
}

/** Splits at the `;` that ends each policy; Cedar uses it for nothing else. */
function split(text: string): Split {
  const pieces: Piece[] = [];
  let start: number | undefined;
  let depth = 0;
  let operators = 0;
  let postfixes = 0;
  for (const match of text.matchAll(TOKEN)) {
    const token = match[0];
    if (token.startsWith('//') || token.trim() === '') continue;
    start ??= match.index;
    if (token === '(' || token === '[' || token === '{') depth++;
    else if (token === ')' || token === ']' || token === '}') depth--;
    if (token === '.' || token === '[') postfixes++;
    else if (token === ',' || token === ';' || OPERATOR.has(token)) postfixes = 0;
    if (OPERATOR.has(token)) operators++;
    else if (token === ';') {
      pieces.push({ start, end: match.index + 1 });
      start = undefined;
      depth = operators = 0;
    }
    if (depth > MAX_NESTING || operators > MAX_OPERATORS || postfixes > MAX_POSTFIXES)
      return { pieces, rest: undefined, excessive: start ?? 0 };
  }
  return { pieces, rest: start, excessive: undefined };
}

/** Parses policy files. What cannot be parsed, and every template, is an error and not among the policies. */
export function parseSources(sources: readonly PolicySource[]): {
  readonly policies: readonly ParsedPolicy[];
  readonly problems: readonly PolicyProblem[];
} {
  const policies: ParsedPolicy[] = [];
  const problems: PolicyProblem[] = [];
  const files = new Set<string>();
  for (const source of sources) {
    if (files.has(source.file)) {
      problems.push({
        file: source.file,
        line: 1,
        severity: 'error',
        message: 'two policy files have the same name',
        mend: 'rename one of them: verdicts are reported by file and line',
      });
      continue;
    }
    files.add(source.file);
    parseFile(source, policies, problems);
  }
  return { policies, problems };
}

function parseFile(source: PolicySource, policies: ParsedPolicy[], problems: PolicyProblem[]): void {
  const { file, text } = source;
  const positionAt = positions(text);
  const report = (at: number, message: string, mend: string) => {
    problems.push({ file, ...positionAt(at), severity: 'error', message, mend });
  };
  if (!text.isWellFormed()) {
    report(0, 'not Unicode text', 'save the file as UTF-8');
    return;
  }
  const { pieces, rest, excessive } = split(text);
  if (excessive !== undefined) report(excessive, 'the policy is too deep or too long', 'write it as several policies');
  const before = problems.length;
  const ids = new Set(policies.map(({ id }) => id));
  for (const { start, end } of pieces) {
    const body = text.slice(start, end);
    const parsed = parseOne(body);
    if ('json' in parsed) {
      const { line, column } = positionAt(start);
      const short = `${file}:${line}`;
      const id = ids.has(short) ? `${short}:${column}` : short;
      ids.add(id);
      const { json } = parsed;
      policies.push({ id, file, text: body, json, ask: approverOf(json), source: text, start });
      const fault = annotationFault(json);
      if (fault) report(start, ...fault);
    } else {
      const at = start + (parsed.byte === undefined ? 0 : indexOfByte(body, parsed.byte));
      report(at, parsed.message, parsed.mend);
    }
  }
  if (rest !== undefined) {
    const parsed = parseOne(text.slice(rest));
    const at = 'json' in parsed ? text.length : rest + indexOfByte(text.slice(rest), parsed.byte ?? 0);
    report(at, 'json' in parsed ? 'unfinished policy' : parsed.message, 'end each policy with `;`');
  }
  if (problems.length === before && excessive === undefined && !splitsAlike(text, pieces))
    report(0, 'Cedar reads other policies in this file', 'remove unusual characters between the policies');
}

function approverOf({ effect, annotations }: PolicyJson): Approver | undefined {
  const who = effect === 'forbid' ? annotations?.ask : undefined;
  return who === 'caller' || who === 'operator' ? who : undefined;
}

/** An annotation that nobody reads would be a condition that does not hold. */
const ANNOTATIONS = ['ask', 'id', 'description'];

function annotationFault({
  effect,
  annotations = {},
}: PolicyJson): readonly [message: string, mend: string] | undefined {
  const unknown = Object.keys(annotations).find((name) => !ANNOTATIONS.includes(name));
  if (unknown !== undefined) return [`there is no annotation @${unknown}`, `there are @${ANNOTATIONS.join(', @')}`];
  if (annotations.ask === undefined) return undefined;
  if (effect !== 'forbid') return ['@ask on a permit', 'write it before the forbid that a person may lift'];
  if (annotations.ask === 'caller' || annotations.ask === 'operator') return undefined;
  return [`nobody is asked as ${JSON.stringify(annotations.ask)}`, 'write @ask("caller") or @ask("operator")'];
}

interface NotParsed {
  readonly message: string;
  readonly mend: string;
  readonly byte: number | undefined;
}

/** Most of a push is what was there before, and to read a policy takes some 300 µs. */
const read = new ExactCache<PolicyJson>(20_000, 4096);

function parseOne(text: string): { readonly json: PolicyJson } | NotParsed {
  try {
    const known = read.get(text);
    if (known) return { json: known };
    const answer = policyToJson(text);
    if (answer.type === 'success') {
      read.set(text, answer.json);
      return { json: answer.json };
    }
    const parts = policySetTextToParts(text);
    if (parts.type === 'failure') return notParsed(parts.errors);
    if (parts.policy_templates.length > 0)
      return { message: 'a template', mend: 'write the principal or resource instead of the slot', byte: undefined };
    return notParsed(answer.errors);
  } catch (error) {
    return {
      message: `cannot be parsed: ${String(error)}`,
      mend: 'write it as several, simpler policies',
      byte: undefined,
    };
  }
}

/** Does Cedar find the same policies in the whole file? Text that one reader takes for a comment must not hide one. */
function splitsAlike(text: string, pieces: readonly Piece[]): boolean {
  const parts = policySetTextToParts(text);
  if (parts.type === 'failure' || parts.policy_templates.length > 0) return false;
  const own = pieces.map(({ start, end }) => text.slice(start, end)).sort();
  return parts.policies.length === own.length && parts.policies.toSorted().every((part, index) => part === own[index]);
}

function notParsed(errors: readonly DetailedError[]): NotParsed {
  // The first error in the text is the cause; Cedar lists what follows from it first.
  const all = errors.flatMap((error) => [error, ...(error.related ?? [])]);
  const start = (error: DetailedError) => error.sourceLocations?.[0]?.start ?? Number.POSITIVE_INFINITY;
  const first = all.toSorted((a, b) => start(a) - start(b))[0];
  const label = first?.sourceLocations?.[0]?.label;
  return {
    message: first?.message ?? 'cannot be parsed',
    mend: first?.help ?? label ?? 'see the Cedar policy syntax',
    byte: first?.sourceLocations?.[0]?.start,
  };
}
