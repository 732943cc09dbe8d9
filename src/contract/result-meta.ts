import { appendMembers, type Edit, findMember, readObject } from './splice.ts';

/**
 * The edits that put a member of ours into the `_meta` of a result; none where a server has put one of that name there,
 * or has something else there than an object.
 * @param result raw JSON that has passed `parseStrict`
 */
export function metaEdits(result: string, key: string, value: unknown): readonly Edit[] {
  const object = readObject(result);
  const label = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
  const meta = findMember(object.members, '_meta');
  if (meta === undefined) return [appendMembers(object, `"_meta":{${label}}`)];
  if (result[meta.start] !== '{') return [];
  const inner = readObject(result, meta.start);
  return findMember(inner.members, key) === undefined ? [appendMembers(inner, label)] : [];
}
