import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import { nameOf, type Uid } from './scope.ts';

/** Who is in which groups, beside what tokens say. */
export interface Relations {
  /** Names of all that the entity is in by these parents and by what those are in, itself excepted. */
  ancestors(self: string, parents: readonly string[]): ReadonlySet<string>;
}

const MAX_TUPLES = 500_000;
/** Lines that are read at once. */
const STEP = 1000;
/** An entity in more than these is not judged: what was left away could be forbidden. */
const MAX_ANCESTORS = 1024;

/** Zanzibar's notation (Pang et al. 2019, §2.1) with Cedar's types: `Group:eng#member@User:alice`, `…@Group:web#member`. */
const TUPLE = /^(Group):(NAME)#member@(User|Workload|Group):(NAME)(#member)?$/;
const NAME = String.raw`"(?:[^"\\]|\\.)*"|[^\s"#@:]+`;
const LINE = new RegExp(TUPLE.source.replaceAll('NAME', NAME), 'u');

interface ReadRelations {
  readonly relations: Relations;
  readonly problems: readonly PolicyProblem[];
}

/** Reads `*.tuples`: one tuple a line; empty lines and those that begin with `//` say nothing. */
export function readRelations(sources: readonly PolicySource[]): ReadRelations {
  const reader = relationsReader(sources);
  for (;;) {
    const { done, value } = reader.next();
    if (done) return value;
  }
}

/** The same, a few milliseconds at a time. */
export function* relationsReader(sources: readonly PolicySource[]): Generator<undefined, ReadRelations> {
  const parents = new Map<string, string[]>();
  const problems: PolicyProblem[] = [];
  let count = 0;
  for (const { file, text } of sources)
    for (const [index, line] of text.split(/\r?\n/).entries()) {
      if (index % STEP === STEP - 1) yield;
      const row = line.trim();
      if (row === '' || row.startsWith('//')) continue;
      const tuple = parse(row);
      const report = (message: string, mend: string) =>
        problems.push({ file, line: index + 1, severity: 'error', message, mend });
      if (++count > MAX_TUPLES) {
        report(`more than ${MAX_TUPLES} tuples`, 'let groups come with tokens');
        break;
      }
      if (typeof tuple === 'string') {
        report(tuple, 'write Group:NAME#member@User:NAME or Group:NAME#member@Group:NAME#member');
        continue;
      }
      const known = parents.get(tuple.member);
      if (known === undefined) parents.set(tuple.member, [tuple.group]);
      else known.push(tuple.group);
    }
  return { relations: { ancestors: (self, direct) => ancestors(parents, self, direct) }, problems };
}

/** What the tuple says, or why it says nothing. */
function parse(row: string): { readonly group: string; readonly member: string } | string {
  const found = LINE.exec(row);
  if (found === null) return 'no tuple that there is';
  const [, object = '', group = '', type = '', member = '', set] = found;
  if ((type === 'Group') !== (set !== undefined)) return "a group's members are members, not the group itself";
  const [whole, part] = [named(object, group), named(type, member)];
  if (whole === undefined || part === undefined) return 'a quoted name that is no JSON string';
  if (nameOf(whole) === nameOf(part)) return 'a group in itself';
  return { group: nameOf(whole), member: nameOf(part) };
}

function named(type: string, text: string): Uid | undefined {
  try {
    const id: unknown = text.startsWith('"') ? JSON.parse(text) : text;
    return typeof id === 'string' && id !== '' ? { type, id } : undefined;
  } catch {
    return undefined;
  }
}

/** @throws Error when they are too many to be judged by */
function ancestors(
  parents: ReadonlyMap<string, readonly string[]>,
  self: string,
  direct: readonly string[],
): ReadonlySet<string> {
  const found = new Set([...direct, ...(parents.get(self) ?? [])]);
  // A set gives what is added while it is walked, too.
  for (const one of found) {
    for (const above of parents.get(one) ?? []) found.add(above);
    if (found.size > MAX_ANCESTORS) throw new Error(`in more than ${MAX_ANCESTORS} groups`);
  }
  found.delete(self);
  return found;
}
