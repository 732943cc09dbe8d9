import { createFilter, everyRule, type Findings } from './filter.ts';

/** Replaces the secrets in a text by `[redacted:ID]`; the very same string where none is found. */
export function redact(text: string): string {
  return inspect(text).text;
}

/** The same, with what was found. */
export function inspect(text: string): { readonly text: string; readonly findings: Findings } {
  if (!everyRule.mayHold(text)) return { text, findings: {} };
  const filter = createFilter(everyRule);
  const output = filter.push(text) + filter.end();
  return { text: Object.keys(filter.findings).length === 0 ? text : output, findings: filter.findings };
}

/** False: `inspect` would find nothing in the text, nor in any part of it. */
export function mayHoldSecret(text: string): boolean {
  return everyRule.mayHold(text);
}
