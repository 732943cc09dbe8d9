import { holdsEncoded, replaceEncoded, replaceHidden } from './encodings.ts';
import { createFilter, everyRule, type Findings, type Learn } from './filter.ts';

/** Replaces the secrets in a text by `[redacted:ID]`; the very same string where none is found. */
export function redact(text: string): string {
  return inspect(text).text;
}

/** The same, with what was found. What is encoded once (base64, percent signs, JSON escapes), or hidden among what is not seen, is looked into. */
export function inspect(text: string, learn?: Learn): { readonly text: string; readonly findings: Findings } {
  const findings: Record<string, number> = {};
  const plain = (seen: string): string => filtered(seen, findings, learn);
  // What is encoded first: one half of a secret may be, and the other not. What is hidden may be encoded as well.
  const opened = (seen: string): string => plain(replaceEncoded(seen, plain));
  return { text: replaceHidden(opened(text), opened), findings };
}

function filtered(text: string, findings: Record<string, number>, learn: Learn | undefined): string {
  const filter = createFilter(everyRule(), learn);
  const output = filter.push(text) + filter.end();
  const found = Object.entries(filter.findings);
  for (const [id, count] of found) findings[id] = (findings[id] ?? 0) + count;
  return found.length === 0 ? text : output;
}

/** False: `inspect` would find nothing in the text, nor in any part of it. */
export function mayHoldSecret(text: string): boolean {
  return everyRule().mayHold(text) || holdsEncoded(text);
}
