import type { PolicySource } from '../../../contract/bundle.ts';
import type { PromptEngine, Question } from '../../../contract/policy-engine.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { actionsOfPins, membersOf } from '../host/actions.ts';
import type { PolicyProblem } from '../host/problems.ts';
import { type CacheSize, cedarEngine, denyingEngine } from './engine.ts';
import { type NearMiss, nearMisses } from './explain.ts';
import { readRelations } from './relations.ts';
import { contextOf } from './schema.ts';
import { parseSources } from './sources.ts';
import { validatePolicies } from './validate.ts';

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

const CACHE: CacheSize = { entries: 4096, key: 4096 };

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
  const actions = actionsOfPins(world);
  const isTuples = ({ file }: PolicySource) => file.endsWith('.tuples');
  const parsed = parseSources(sources.filter((source) => !isTuples(source)));
  const { relations, problems: unrelated } = readRelations(sources.filter(isTuples));
  const problems = inOrder([...parsed.problems, ...unrelated, ...validatePolicies(parsed.policies, world, actions)]);
  const untyped = [...actions].flatMap(([action, type]) =>
    type.untyped.map(({ path, why }) => ({ action, argument: path.join('.'), why })),
  );
  const broken = problems.some(({ severity }) => severity === 'error');
  const facts = Object.keys(contextOf(world, []));
  const loaded = { policies: parsed.policies, actions, facts, relations };
  const engine = broken ? denyingEngine('the policies have errors') : cedarEngine(loaded, cache);
  const explain = (question: Question) => nearMisses(loaded, question);
  return {
    engine,
    problems,
    untyped,
    groups: membersOf(actions),
    policies: parsed.policies.map(({ id }) => id),
    explain,
  };
}

function inOrder(problems: readonly PolicyProblem[]): readonly PolicyProblem[] {
  return problems.toSorted(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line) || (a.column ?? 0) - (b.column ?? 0),
  );
}
