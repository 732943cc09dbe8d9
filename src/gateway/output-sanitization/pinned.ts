import { redactJson } from './redact-json.ts';

/** Texts that are remembered; subjects see a few different lists. */
const REMEMBERED = 64;

/**
 * The same filter for what is answered from the pins: instructions, titles, descriptions, examples in schemas. They are
 * many kilobytes, and the same for many callers, so that each text is looked through once.
 */
export function pinnedFilter(): (json: string) => string {
  const clean = new Map<string, string>();
  return (json) => {
    const known = clean.get(json);
    if (known !== undefined) return known;
    const [oldest] = clean.keys();
    if (oldest !== undefined && clean.size >= REMEMBERED) clean.delete(oldest);
    const filtered = redactJson(json).json;
    clean.set(json, filtered);
    return filtered;
  };
}
