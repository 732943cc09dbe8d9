import type { Json } from '../../contract/json.ts';
import { findHidden } from '../../contract/untrusted-text/hidden.ts';
import { injection } from './injection.ts';
import { shownToken } from './json-pointer.ts';

const REFUSED = 1;

/**
 * Looks at every string and key: hidden characters are refused anywhere (checklist `input.unicode`), injection shapes
 * everywhere but in the fields that the operator declared as code (`input.injection`).
 * @param code JSON Pointers into the arguments, `*` for each element of an array
 * @returns where and why, for the log; undefined: nothing is wrong
 */
export function unfit(value: Json, code: ReadonlySet<string>, pointer = '', place = ''): string | undefined {
  if (typeof value === 'string') return unfitText(value, pointer, code.has(place));
  if (typeof value !== 'object' || value === null) return undefined;
  const isList = Array.isArray(value);
  for (const [key, member] of Object.entries(value)) {
    const token = shownToken(key);
    const why =
      (isList ? undefined : unfitText(key, `${pointer}: a key`, false)) ??
      unfit(member, code, `${pointer}/${token}`, `${place}/${isList ? '*' : token}`);
    if (why !== undefined) return why;
  }
  return undefined;
}

function unfitText(text: string, pointer: string, isCode: boolean): string | undefined {
  const hidden = findHidden(text);
  if (hidden !== undefined) return `${pointer}: ${hidden.why} at ${hidden.at}`;
  if (isCode) return undefined;
  const { score, reasons } = injection(text);
  if (score < REFUSED) return undefined;
  return `${pointer}: looks like an injection into ${reasons.join(', ')} (score ${score.toFixed(1)}); a field for code is declared by tools.TOOL.code`;
}
