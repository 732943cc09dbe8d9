import type { Findings, Learn } from './filter.ts';
import { type Place, replaceStrings } from './json-strings.ts';
import { inspect, mayHoldSecret } from './redact.ts';
import { TELLING } from './rules/assignments.ts';

/**
 * Replaces secrets in every key, string and number of a JSON text that has been parsed strictly before. Where nothing
 * is found the text comes back as it is; otherwise only the strings that held a secret are written anew.
 */
export function redactJson(json: string): { readonly json: string; readonly findings: Findings } {
  if (!mayHoldSecret(json) && !SCALED.test(json) && !json.includes('"blob"')) return { json, findings: {} };
  const redaction = new Redaction();
  const output = replaceStrings(json, {
    key: (text) => redaction.key(text),
    string: (text, place) => redaction.string(text, place),
    number: (text) => redaction.number(text),
  });
  return { json: redaction.everywhere(output), findings: redaction.findings };
}

/** A number with an exponent, or a long one with a fraction of nothing. */
const SCALED = /\d[eE]\+?\d|\.0(?<=\d{13}\.0)/;
/** Digits: no card has more. */
const LONGEST_CARD = 19;

/** The digits of a whole number above nothing that is spelled with a fraction or an exponent. */
function unscaled(text: string): string | undefined {
  if (!SCALED.test(text)) return undefined;
  const [, whole = '', fraction = '', exponent = ''] = /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const [digits, point] = [whole + fraction, whole.length + Number(exponent)];
  if (point < 1 || point > LONGEST_CARD + 1 || /[1-9]/.test(digits.slice(point))) return undefined;
  return digits.slice(0, point).padEnd(point, '0').replace(/^0+/, '') || undefined;
}

/** Learned values, and units of one: what is shorter may stand elsewhere by chance. */
const MAX_LEARNED = 64;
const MIN_LEARNED = 8;

class Redaction {
  readonly findings: Record<string, number> = {};
  readonly #learned = new Map<string, string>();
  #keys = 0;

  /** A secret that was known by its name here is the same secret without it there: text and structured content agree. */
  everywhere(json: string): string {
    const learned = [...this.#learned].filter(([secret]) => json.includes(JSON.stringify(secret).slice(1, -1)));
    if (learned.length === 0) return json;
    return replaceStrings(json, {
      key: () => undefined,
      string: (text) => {
        let output = text;
        for (const [secret, id] of learned) {
          const parts = output.split(secret);
          output = parts.join(`[redacted:${id}]`);
          if (parts.length > 1) this.#count({ [id]: parts.length - 1 });
        }
        return output === text ? undefined : output;
      },
      number: () => undefined,
    });
  }

  readonly #learn: Learn = (secret, id) => {
    if (secret.length >= MIN_LEARNED && this.#learned.size < MAX_LEARNED) this.#learned.set(secret, id);
  };

  plain(text: string): string | undefined {
    const result = inspect(text, this.#learn);
    if (result.text === text) return undefined;
    this.#count(result.findings);
    return result.text;
  }

  number(text: string): string | undefined {
    const digits = unscaled(text);
    return this.plain(text) ?? (digits === undefined ? undefined : this.plain(digits));
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
    const { text: output, findings } = inspect(lead + text, this.#learn);
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
