import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { PromptEngine, Question } from '../../../contract/policy-engine.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { actionsOfPins, membersOf } from '../host/actions.ts';
import { type CacheSize, cedarEngine, denyingEngine } from './engine.ts';
import { type NearMiss, nearMisses } from './explain.ts';
import { isTuples, type ReadPolicies, readPolicies } from './read.ts';
import { readRelations } from './relations.ts';
import { contextOf } from './schema.ts';

/** A declared argument that no policy can see. */
interface UntypedArgument {
  readonly action: string;
  readonly argument: string;
  readonly why: string;
}

export interface LoadedPolicies {
  /** Denies everything when there is an error among the problems. */
  readonly engine: PromptEngine;
  readonly problems: readonly PolicyProblem[];
  readonly untyped: readonly UntypedArgument[];
  /** Ids of the policies. */
  readonly policies: readonly string[];
  /** The permits that come nearest to a question that is denied. */
  explain(question: Question): readonly NearMiss[];
  /** Groups of actions that are made of the pins, and their members. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

export const CACHE: CacheSize = { entries: 4096, key: 4096 };

/**
 * Parses Cedar policies once and validates them strictly against what they are about. With an error among the problems
 * the policies must not be used: `up` refuses to start, `policy lint` fails.
 * @param cache bounds of the verdict cache; 0 entries: none
 */
export function loadCedar(
  sources: readonly PolicySource[],
  world: PolicyWorld,
  cache: CacheSize = CACHE,
): LoadedPolicies {
  return loadedOf(readPolicies(sources, world), readRelations(sources.filter(isTuples)), world, cache);
}

/** An engine over what was read. */
export function loadedOf(
  { policies, problems: read }: ReadPolicies,
  { relations, problems: unrelated }: ReturnType<typeof readRelations>,
  world: PolicyWorld,
  cache: CacheSize,
): LoadedPolicies {
  const actions = actionsOfPins(world);
  const problems = inOrder([...read, ...unrelated]);
  const untyped = [...actions].flatMap(([action, type]) =>
    type.untyped.map(({ path, why }) => ({ action, argument: path.join('.'), why })),
  );
  const broken = problems.some(({ severity }) => severity === 'error');
  const facts = Object.keys(contextOf(world, []));
  const loaded = { policies, actions, facts, relations };
  const engine = broken ? denyingEngine('the policies have errors') : cedarEngine(loaded, cache);
  const explain = (question: Question) => nearMisses(loaded, question);
  return {
    engine,
    problems,
    untyped,
    groups: membersOf(actions),
    policies: policies.map(({ id }) => id),
    explain,
  };
}

function inOrder(problems: readonly PolicyProblem[]): readonly PolicyProblem[] {
  return problems.toSorted(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line) || (a.column ?? 0) - (b.column ?? 0),
  );
}
