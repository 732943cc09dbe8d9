import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PolicyInputs } from '../cli/policy.ts';
import { worldOf } from '../contract/policy-world.ts';
import { loadConfig, loadPolicies, opaOf, readText, trustedIssuers } from '../control-plane/config/load.ts';
import { readLock } from '../control-plane/packages/lock.ts';
import { pinsFor } from '../control-plane/packages/pins-for.ts';
import { toolFacts } from '../gateway/authorization/question.ts';
import { sameTenant } from '../gateway/authorization/tenancy.ts';
import { loadPolicyEngine } from './policies.ts';

/** What `policy lint`, `test` and `explain` look at: the same that `up` would run with. */
export async function policyInputs(configFile: string, state: string): Promise<PolicyInputs> {
  const config = await loadConfig(configFile, state);
  const pinned = pinsFor(config, readLock(config.directory));
  const sources = loadPolicies(config.policies);
  const tests = readdirSync(config.policies)
    .filter((name) => /\.test\.(ya?ml|json)$/.test(name))
    .sort()
    .map((file) => ({ file, text: readText(join(config.policies, file), 'cases are a readable text file') }));
  const world = worldOf({ servers: pinned.gateway, ipRisk: config.ip_risk, issuers: trustedIssuers(config) });
  const open = (all: PolicyInputs['sources']) => loadPolicyEngine(all, world, opaOf(config));
  return { sources, servers: pinned.gateway, tests, open, sameTenant, toolFacts, now: Date.now };
}
