import type { OpenFgaSettings } from '../config/relations.ts';
import { RelationsFault, type Tuple } from './openfga.ts';

/**
 * Tuples as `*.tuples` writes them, in order. Relations that the configuration does not name are nobody's groups; what is in one that
 * it names has to be understood whole: who was left out of a group could escape what is forbidden to it.
 * @throws RelationsFault naming the tuple
 */
export function tuplesText(
  tuples: Iterable<Tuple>,
  { users, groups }: Pick<OpenFgaSettings, 'users' | 'groups'>,
): string {
  const lines: string[] = [];
  for (const { object, relation, user, condition } of tuples) {
    const [type, id] = cut(object, ':');
    const group = named(groups, `${type}#${relation}`, id);
    if (group === undefined) continue;
    const refuse = (why: string) => new RelationsFault(`${object}#${relation}@${user}: ${why}`.slice(0, 1000));
    if (condition !== undefined && condition !== null) throw refuse('who is in a group under a condition is in none');
    const [whole, part] = cut(user, '#');
    const [memberType, memberId] = cut(whole, ':');
    if (memberId === '*') throw refuse('everybody is no member: permit it by a policy');
    const member =
      part === undefined ? named(users, memberType, memberId) : named(groups, `${memberType}#${part}`, memberId);
    if (member === undefined) throw refuse('neither a user nor a relation that the configuration names');
    lines.push(
      part === undefined
        ? `Group:${quoted(group)}#member@User:${quoted(member)}`
        : `Group:${quoted(group)}#member@Group:${quoted(member)}#member`,
    );
  }
  return lines.sort().join('\n');
}

function named(templates: Readonly<Record<string, string>>, name: string, id: string | undefined): string | undefined {
  if (id === undefined || id === '' || !Object.hasOwn(templates, name)) return undefined;
  // Not as a pattern: `$&` in an id is a name.
  return templates[name]?.split('{id}').join(id);
}

/** At the first one. */
function cut(text: string, at: string): readonly [string, string | undefined] {
  const place = text.indexOf(at);
  return place < 0 ? [text, undefined] : [text.slice(0, place), text.slice(place + 1)];
}

const quoted = (name: string): string => JSON.stringify(name);
