import type { GatewayBundle, PolicySource } from '../contract/bundle.ts';
import type { LoadedPolicies } from '../contract/loaded-policies.ts';
import { type OpaSettings, type PolicyWorld, worldOf } from '../contract/policy-world.ts';
import { loadCedarAside } from '../drivers/policy-engine/cedar/load-aside.ts';
import { loadOpa } from '../drivers/policy-engine/opa/load.ts';

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
