import { appendMembers, dropMembers, findMember, readObject, splice } from '../../contract/splice.ts';

const RELATED = 'io.modelcontextprotocol/related-task';

/**
 * Marks a result, or the params of a message, as this task's (MCP 2025-11-25, Tasks, Associating Task-Related Messages);
 * what a server said of tasks in that place is not ours, and goes. All else stays byte for byte.
 * @param raw an object that has passed `parseStrict`
 */
export function relatedTo(raw: string, taskId: string): string {
  const mark = `"${RELATED}":{"taskId":"${taskId}"}`;
  const object = readObject(raw);
  const meta = findMember(object.members, '_meta');
  if (meta === undefined) return splice(raw, [appendMembers(object, `"_meta":{${mark}}`)]);
  const kept = raw[meta.start] === '{' ? readObject(raw, meta.start).members : [];
  const others = kept.filter(({ key }) => key !== RELATED).map(({ keyStart, end }) => raw.slice(keyStart, end));
  return splice(raw, [{ start: meta.start, end: meta.end, text: `{${[...others, mark].join(',')}}` }]);
}

/** The same for a whole notification. */
export function notificationOf(message: string, taskId: string): string {
  const object = readObject(message);
  const params = findMember(object.members, 'params');
  if (params === undefined) return splice(message, [appendMembers(object, `"params":${relatedTo('{}', taskId)}`)]);
  const text = relatedTo(message.slice(params.start, params.end), taskId);
  return splice(message, [{ start: params.start, end: params.end, text }]);
}

/** A result without such a mark, which a server of 2025-11-25 may have put there. */
export function unrelated(raw: string): string {
  const meta = findMember(readObject(raw).members, '_meta');
  if (meta === undefined || raw[meta.start] !== '{') return raw;
  return splice(
    raw,
    dropMembers(readObject(raw, meta.start).members, (key) => key === RELATED),
  );
}
