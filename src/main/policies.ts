import type { GatewayBundle, PolicySource } from '../contract/bundle.ts';
import type { PolicyEngine, Question } from '../contract/policy-engine.ts';
import { type OpaSettings, type PolicyWorld, worldOf } from '../contract/policy-world.ts';
import { loadCedarAside } from '../drivers/policy-engine/cedar/load-aside.ts';
import type { PolicyProblem } from '../drivers/policy-engine/host/problems.ts';
import { loadOpa } from '../drivers/policy-engine/opa/load.ts';

/** Policies that an engine has read. */
export interface LoadedPolicies {
  /** Denies everything when there is an error among the problems. */
  readonly engine: PolicyEngine;
  readonly problems: readonly PolicyProblem[];
  /** Declared arguments that no policy can see. */
  readonly untyped: readonly { readonly action: string; readonly argument: string; readonly why: string }[];
  /** Groups of actions, and their members. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Ids of the policies. */
  readonly policies: readonly string[];
  /** The permits that come nearest to a question that is denied; absent: the engine cannot tell. */
  readonly explain?: (
    question: Question,
  ) => readonly { readonly policy: string; readonly missing: readonly string[] }[];
  /** Nothing is asked any more. */
  close(): Promise<void>;
}

/**
 * Reads policies by the engine that is chosen.
 * @param report is told when an engine beside this process ceases to answer (why), and when it does so again
 * @throws Error when that engine is not there
 */
export async function loadPolicyEngine(
  sources: readonly PolicySource[],
  world: PolicyWorld,
  opa: OpaSettings | undefined,
  report?: (why: string | undefined) => void,
): Promise<LoadedPolicies> {
  if (opa !== undefined) return { ...(await loadOpa(sources, world, opa, report)), untyped: [] };
  return { ...(await loadCedarAside(sources, world)), close: async () => undefined };
}

/**
 * The engine that judges by the policies of a bundle.
 * @throws Error with file, line and reason, where they cannot be used
 */
export async function openPolicies(
  bundle: GatewayBundle,
  report?: (why: string | undefined) => void,
): Promise<Pick<LoadedPolicies, 'engine' | 'close'>> {
  const sources = [...bundle.policies, ...(bundle.relations ?? [])];
  const { problems, engine, close } = await loadPolicyEngine(sources, worldOf(bundle), bundle.opa, report);
  const broken = problems.find(({ severity }) => severity === 'error');
  if (broken === undefined) return { engine, close };
  await close();
  throw new Error(`${broken.file}:${broken.line}: ${broken.message}`);
}
