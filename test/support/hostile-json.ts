/** So many levels are a stack overflow for whoever recurses over them. */
const DEPTH = 100_000;

/** JSON that is an attack on whoever reads it, by name; `member` is what it is put into, in characters and members as large as told. */
export function hostileObjects(
  member: string,
  { size, members } = { size: 10_000_000, members: 1_000_000 },
): ReadonlyMap<string, string> {
  const holding = (value: string) => `{${JSON.stringify(member)}:${value}}`;
  return new Map([
    ['arrays, 100,000 deep', holding(`${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`)],
    ['objects, 100,000 deep', holding(`${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`)],
    ['a key of megabytes', `{"${'k'.repeat(size)}":1}`],
    ['a string of megabytes', holding(`"${'s'.repeat(size)}"`)],
    ['countless members', holding(`{${Array.from({ length: members }, (_, at) => `"${at}":1`).join()}}`)],
    ['__proto__', holding('{"__proto__":{"isAdmin":true}}')],
    ['constructor.prototype', holding('{"constructor":{"prototype":{"isAdmin":true}}}')],
    ['cut in the middle', holding('{"b":"c').slice(0, -1)],
  ]);
}

/** Whether an attack has reached what all objects have in common. */
export function isPolluted(): boolean {
  return 'isAdmin' in {};
}
