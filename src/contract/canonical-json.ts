import { readArray, readObject } from './splice.ts';
import { skipSpace, valueEnd } from './strict-json.ts';

/**
 * One text for all spellings of a JSON value: members sorted, no white space, strings as `JSON.stringify` writes them.
 * Numbers keep their digits: two that are one as doubles may be two to whoever reads the text.
 * @param raw has passed `parseStrict`
 * @param without members of the outermost object that are left out
 */
export function canonicalJson(raw: string, from = 0, without?: ReadonlySet<string>): string {
  const start = skipSpace(raw, from);
  if (raw[start] === '{') {
    const members = readObject(raw, start).members.filter(({ key }) => !without?.has(key));
    members.sort((a, b) => (a.key < b.key ? -1 : 1));
    return `{${members.map(({ key, start: at }) => `${JSON.stringify(key)}:${canonicalJson(raw, at)}`).join(',')}}`;
  }
  if (raw[start] === '[')
    return `[${readArray(raw, start)
      .map((at) => canonicalJson(raw, at))
      .join(',')}]`;
  const scalar = raw.slice(start, valueEnd(raw, start));
  return scalar.startsWith('"') ? JSON.stringify(JSON.parse(scalar)) : scalar;
}
