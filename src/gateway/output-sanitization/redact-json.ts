import type { Findings } from './filter.ts';
import { type Place, replaceStrings } from './json-strings.ts';
import { inspect, mayHoldSecret } from './redact.ts';
import { TELLING } from './rules/assignments.ts';

/** A hint may be spelled with escapes: `\u0041KIA`, `https:\/\/`. Line ends and quotes are in no hint. */
const HIDING = /\\(?:u00|\/)/;

/**
 * Replaces secrets in every key, string and number of a JSON text that has been parsed strictly before. Where nothing
 * is found the text comes back as it is; otherwise only the strings that held a secret are written anew.
 */
export function redactJson(json: string): { readonly json: string; readonly findings: Findings } {
  if (!mayHoldSecret(json) && !HIDING.test(json) && !json.includes('"blob"')) return { json, findings: {} };
  const redaction = new Redaction();
  const output = replaceStrings(json, {
    key: (text) => redaction.key(text),
    string: (text, place) => redaction.string(text, place),
    number: (text) => redaction.plain(text),
  });
  return { json: output, findings: redaction.findings };
}

class Redaction {
  readonly findings: Record<string, number> = {};
  #keys = 0;

  plain(text: string): string | undefined {
    const result = inspect(text);
    if (result.text === text) return undefined;
    this.#count(result.findings);
    return result.text;
  }

  /** Redacted keys are numbered from the second on, so that two do not become one. */
  key(text: string): string | undefined {
    const redacted = this.plain(text);
    if (redacted === undefined) return undefined;
    this.#keys++;
    return this.#keys === 1 ? redacted : `${redacted} ${this.#keys}`;
  }

  string(text: string, { name, key }: Place): string | undefined {
    const redacted = this.plain(text);
    const named = this.#byName(redacted ?? text, name);
    if (named !== undefined) return named;
    if (redacted === undefined && key === 'blob') return this.#blob(text);
    return redacted;
  }

  /** A member's name stands before its value as it would in an assignment: `"password": "…"`. */
  #byName(text: string, name: string): string | undefined {
    if (text.length < 4 || text.startsWith('[redacted:') || !TELLING.test(name)) return undefined;
    const lead = `${name.slice(-100).replace(/["\s]/g, '_')}": "`;
    const { text: output, findings } = inspect(lead + text);
    if (output === lead + text || !output.startsWith(lead)) return undefined;
    this.#count(findings);
    return output.slice(lead.length);
  }

  /** `blob` of a resource is base64 (MCP, resources). Bytes are read as Latin-1, so that binary ones survive. */
  #blob(text: string): string | undefined {
    const redacted = this.plain(Buffer.from(text, 'base64').toString('latin1'));
    return redacted === undefined ? undefined : Buffer.from(redacted, 'latin1').toString('base64');
  }

  #count(findings: Findings): void {
    for (const [id, count] of Object.entries(findings)) this.findings[id] = (this.findings[id] ?? 0) + count;
  }
}
