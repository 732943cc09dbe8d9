import type { PolicyWorld } from '../../../contract/policy-world.ts';

/** Labels that mean the same everywhere; the configuration may declare others. The gateway gives `suspected` itself. */
const LABELS = ['private', 'untrusted', 'external', 'suspected'];

/** Labels that a policy may ask for. */
export function labelsOf({ servers }: PolicyWorld): ReadonlySet<string> {
  const declared = servers.flatMap(({ tools = {} }) =>
    Object.values(tools).flatMap(({ reads = [], writes = [] }) => [...reads, ...writes]),
  );
  return new Set([...LABELS, ...declared]);
}
