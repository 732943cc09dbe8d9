import { isDeepStrictEqual } from 'node:util';
import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { CACHE, type LoadedPolicies, loadCedar, loadedOf } from './load.ts';
import { isTuples } from './read.ts';
import { readAside } from './read-aside.ts';
import { relationsReader } from './relations.ts';

/** Characters that are read at once: some 50 policies. */
const SMALL = 16_384;
/** What is in force, and what was tried last. */
const KEPT = 2;

interface Kept {
  readonly sources: readonly PolicySource[];
  readonly world: PolicyWorld;
  readonly loaded: Promise<LoadedPolicies>;
}
let kept: readonly Kept[] = [];

/**
 * As `loadCedar`, while calls go on: many policies are read in a thread of their own, many tuples a few at a time. What was
 * loaded just before is not loaded again: most bundles differ in what is revoked or stopped, and that must not wait.
 */
export function loadCedarAside(sources: readonly PolicySource[], world: PolicyWorld): Promise<LoadedPolicies> {
  const known = kept.find((one) => isDeepStrictEqual([one.sources, one.world], [sources, world]));
  const now = known ?? { sources, world, loaded: load(sources, world) };
  kept = [now, ...kept.filter((one) => one !== now)].slice(0, KEPT);
  now.loaded.catch(() => {
    kept = kept.filter((one) => one !== now);
  });
  return now.loaded;
}

async function load(sources: readonly PolicySource[], world: PolicyWorld): Promise<LoadedPolicies> {
  if (sources.reduce((sum, { text }) => sum + text.length, 0) <= SMALL) return loadCedar(sources, world);
  const read = readAside(sources, world);
  // It may fail while the tuples are read.
  read.catch(() => undefined);
  const tuples = relationsReader(sources.filter(isTuples));
  let step = tuples.next();
  for (; step.done !== true; step = tuples.next()) await new Promise<void>((resolve) => setImmediate(resolve));
  return loadedOf(await read, step.value, world, CACHE);
}
