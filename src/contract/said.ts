/** The lists of a server whose elements are reviewed. */
export type ReviewedList = 'tools' | 'prompts' | 'resourceTemplates';

const REVIEWED_LISTS: readonly ReviewedList[] = ['tools', 'prompts', 'resourceTemplates'];

/**
 * All of a server that is reviewed, a line a part (`tools/NAME DIGEST`, `instructions DIGEST`), sorted: what two of them
 * do not have in common is what differs.
 */
export type Said = readonly string[];

interface Described {
  readonly name: string;
  readonly digest: string;
}

/** @param instructions their digest */
export function saidOf(
  instructions: string | undefined,
  lists: Readonly<Record<ReviewedList, readonly Described[]>>,
): Said {
  const lines = REVIEWED_LISTS.flatMap((list) => lists[list].map(({ name, digest }) => `${list}/${name} ${digest}`));
  return (instructions === undefined ? lines : [...lines, `instructions ${instructions}`]).sort();
}
