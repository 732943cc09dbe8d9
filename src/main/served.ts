import { join } from 'node:path';
import type { GatewayServer, PolicySource, RuntimeServer } from '../contract/bundle.ts';
import { worldOf } from '../contract/policy-world.ts';
import {
  type Config,
  limitsOf,
  loadConfig,
  loadPolicies,
  opaOf,
  trustedIssuers,
} from '../control-plane/config/load.ts';
import { ConfigError } from '../control-plane/config/problem.ts';
import { type Lock, readLock } from '../control-plane/packages/lock.ts';
import { differences } from '../control-plane/policy-registry/diff.ts';
import type { Content, Registry, Version } from '../control-plane/policy-registry/registry.ts';
import { textOf } from './log.ts';
import { loadPolicyEngine } from './policies.ts';
import { unservable } from './unservable.ts';

/** What the operator's files ask for; all of it can be served. */
export interface Served {
  readonly config: Config;
  readonly policies: readonly PolicySource[];
  readonly servers: readonly GatewayServer[];
  readonly sandboxed: readonly RuntimeServer[];
}

interface Pinned {
  readonly gateway: readonly GatewayServer[];
  readonly runtime: readonly RuntimeServer[];
}

/** The policies have an error that `policy lint` finds too. */
export class PolicyFault extends ConfigError {}

/**
 * Reads the configuration, its policies and the lock, and judges them: the same at the start and for each push.
 * @param pin gives the servers of the configuration with their pins
 * @throws ConfigError, of policies PolicyFault; SafetyError for what is not as it was pinned
 */
export async function readServed(
  configFile: string,
  state: string,
  pin: (config: Config, lock: Lock) => Pinned | Promise<Pinned>,
): Promise<Served> {
  const config = await loadConfig(configFile, state);
  const policies = loadPolicies(config.policies);
  const { gateway, runtime } = await pin(config, readLock(config.directory));
  checkTools(config, gateway);
  await checkPolicies(config, policies, gateway);
  return { config, policies, servers: gateway, sandboxed: runtime };
}

/**
 * What is in force, with the policies of an earlier version.
 * @throws ConfigError when that version was for other servers or pins: those come from the operator's files alone
 */
export async function rolledBack(version: Version, registry: Registry, served: Served): Promise<Served> {
  const then = registry.content(version);
  const now = JSON.parse(
    JSON.stringify({ policies: then.policies, servers: served.servers, limits: limitsOf(served.config) }),
  ) as Content;
  const others = differences(then, now).map(({ what }) => what);
  if (others.length > 0)
    throw served.config.fault({
      path: ['servers'],
      message: `version ${version.version} was for other pins or settings: ${others.slice(0, 3).join(', ')}`,
      mend: 'put innerkeep.lock, innerkeep.yaml and the policies of that time back, and push them',
    });
  await checkPolicies(served.config, then.policies, served.servers);
  return { ...served, policies: then.policies };
}

function checkTools(config: Config, servers: readonly GatewayServer[]): void {
  const faults = servers.flatMap(({ pins, tools }) =>
    unservable(pins.name, pins.tools, tools).map(({ tool, message, mend }) =>
      config.fault({ path: ['servers', pins.name, 'tools', tool], message, mend }),
    ),
  );
  if (faults.length > 0) throw new ConfigError(faults.flatMap(({ problems }) => problems));
}

async function checkPolicies(
  config: Config,
  sources: readonly PolicySource[],
  servers: readonly GatewayServer[],
): Promise<void> {
  const world = worldOf({ servers, ipRisk: config.ip_risk, issuers: trustedIssuers(config) });
  const loaded = await loadPolicyEngine(sources, world, opaOf(config)).catch((error: unknown) => {
    const mend = 'start OPA at the url of policies, first: docs/policies.md';
    throw config.fault({ path: ['policies'], message: `OPA cannot be asked: ${textOf(error)}`, mend });
  });
  await loaded.close();
  const problems = loaded.problems.filter(({ severity }) => severity === 'error');
  if (problems.length === 0) return;
  const found = problems.map(({ file, line, column, message, mend }) => ({
    file: join(config.policies, file),
    line,
    column: column ?? 1,
    key: '',
    message,
    mend,
  }));
  throw new PolicyFault(found);
}
