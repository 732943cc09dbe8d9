import type { GatewayBundle } from '../contract/bundle.ts';
import type { PolicyEngine } from '../contract/policy-engine.ts';
import { worldOf } from '../contract/policy-world.ts';
import { loadCedarAside } from '../drivers/policy-engine/cedar/load-aside.ts';

/**
 * The engine that judges by the policies of a bundle.
 * @throws Error with file, line and reason, where they cannot be used
 */
export async function openPolicies(bundle: GatewayBundle): Promise<PolicyEngine> {
  const { engine, problems } = await loadCedarAside([...bundle.policies, ...(bundle.relations ?? [])], worldOf(bundle));
  const broken = problems.find(({ severity }) => severity === 'error');
  if (broken !== undefined) throw new Error(`${broken.file}:${broken.line}: ${broken.message}`);
  return engine;
}
