import type { Json, JsonObject } from '../../contract/json.ts';
import { findHidden } from '../../contract/untrusted-text/hidden.ts';
import { injection } from './injection.ts';
import { shownToken } from './json-pointer.ts';
import { FOREIGN, signsOf } from './signs.ts';

const REFUSED = 1;

/**
 * Looks at every string and key: hidden characters are refused anywhere (checklist `input.unicode`), injection shapes
 * everywhere but in the fields that the operator declared as code (`input.injection`).
 * @param code JSON Pointers into the arguments, `*` for each element of an array
 * @returns where and why, for the log; undefined: nothing is wrong
 */
export function unfit(value: Json, code: ReadonlySet<string>, place = ''): string | undefined {
  if (typeof value === 'string') return unfitText(value, code.has(place));
  if (typeof value !== 'object' || value === null) return undefined;
  return isArray(value) ? unfitArray(value, code, place) : unfitObject(value, code, place);
}

function unfitArray(value: readonly Json[], code: ReadonlySet<string>, place: string): string | undefined {
  const below = code.size === 0 ? '' : `${place}/*`;
  for (let index = 0; index < value.length; index++) {
    const why = unfit(value[index] ?? null, code, below);
    if (why !== undefined) return `/${index}${why}`;
  }
  return undefined;
}

function unfitObject(value: JsonObject, code: ReadonlySet<string>, place: string): string | undefined {
  for (const key of Object.keys(value)) {
    const bad = unfitText(key, false);
    if (bad !== undefined) return `: a key${bad}`;
    const below = code.size === 0 ? '' : `${place}/${shownToken(key)}`;
    const why = unfit(value[key] ?? null, code, below);
    if (why !== undefined) return `/${shownToken(key)}${why}`;
  }
  return undefined;
}

function unfitText(text: string, isCode: boolean): string | undefined {
  const signs = signsOf(text);
  const hidden = (signs & FOREIGN) === 0 ? undefined : findHidden(text);
  if (hidden !== undefined) return `: ${hidden.why} at ${hidden.at}`;
  if (isCode) return undefined;
  const { score, reasons } = injection(text, signs);
  if (score < REFUSED) return undefined;
  return `: looks like an injection into ${reasons.join(', ')} (score ${score.toFixed(1)}); a field for code is declared by tools.TOOL.code`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
