import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { PolicySource, TrustedIssuer } from '../../contract/bundle.ts';
import type { Limits } from '../../contract/limits.ts';
import type { OpaSettings } from '../../contract/policy-world.ts';
import { type Finding, findings, YamlFile } from './document.ts';
import { checkPaths } from './paths.ts';
import { ConfigError, configError } from './problem.ts';
import { configSchema, type Settings } from './schema.ts';

/** Paths absolute, sizes in bytes, durations in milliseconds. */
export interface Config extends Settings {
  readonly file: string;
  readonly directory: string;
  /** Absolute path of the state directory. */
  readonly state: string;
  /** What turned out to be wrong with a value only when it was used, with its place in the file. */
  fault(finding: Finding): ConfigError;
}

const MAX_FILE = 1024 * 1024;

/**
 * Reads the configuration, all of it or nothing.
 * @param state the state directory; default: `.innerkeep` beside the file
 * @throws ConfigError naming file, line, key and mend of everything that is wrong
 */
export async function loadConfig(file: string, state?: string): Promise<Config> {
  const path = resolve(file);
  return parseConfig(path, readText(path, 'run `innerkeep init`, or name the file with -c'), state);
}

/** As `loadConfig`, of a text that is not written yet. */
export function parseConfig(file: string, text: string, state?: string): Config {
  const directory = dirname(file);
  const yaml = new YamlFile(file, text);
  const parsed = configSchema(directory).safeParse(yaml.value());
  if (!parsed.success) throw yaml.error(findings(parsed.error));
  const place = { file, directory, state: canonical(resolve(state ?? join(directory, '.innerkeep'))) };
  const { settings, faults } = checkPaths(parsed.data, place);
  if (faults.length > 0) throw yaml.error(faults);
  return { ...settings, ...place, fault: (finding) => yaml.error([finding]) };
}

/**
 * The policies of a directory, `*.cedar` or `*.rego` (without OPA's own `*_test.rego`), and the tuples, `*.tuples`, by name;
 * `file` is the base name. What is not for the engine is not left out: it would be a policy that does not hold.
 * @throws ConfigError when the directory is missing or unreadable
 */
export function loadPolicies(directory: string): PolicySource[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    throw configError(
      directory,
      `the policy directory cannot be read (${code(error)})`,
      'make it, or name another under `policies`',
    );
  }
  return names
    .filter((name) => /\.(cedar|rego|tuples)$/.test(name) && !/^\.|_test\.rego$/.test(name))
    .sort()
    .map((name) => ({ file: name, text: readText(join(directory, name), 'a policy is a readable text file') }));
}

/** Where the OPA is that judges, its CA file read; undefined: Cedar judges. */
export function opaOf({ opa }: Config): OpaSettings | undefined {
  return opa && { url: opa.url, ca: opa.ca && readText(opa.ca, 'a PEM file is needed') };
}

/** The external issuers of the configuration, their CA files read. */
export function trustedIssuers(config: Config): TrustedIssuer[] {
  return config.identity.issuers.map(({ issuer, audience, tenant, tenant_claim, device_claim, ca }) => ({
    issuer,
    tenant: tenant_claim === undefined ? { fixed: tenant ?? '' } : { claim: tenant_claim },
    embedded: false,
    ...(device_claim === undefined ? {} : { deviceClaim: device_claim }),
    ...(audience === undefined ? {} : { audience }),
    ...(ca === undefined ? {} : { ca: readText(ca, 'a PEM file is needed') }),
  }));
}

/** As the gateways have them. */
export function limitsOf({ limits }: Config): Limits {
  const { per_subject: subject, per_tenant: tenant, per_source: perSource, in_flight, store_away: away } = limits;
  const { rate: interval, burst } = tenant;
  return {
    perSubject: { interval: subject.rate, burst: subject.burst },
    perSource,
    ...(limits.context !== undefined && { context: limits.context }),
    inFlight: { total: in_flight.total, perServer: in_flight.per_server },
    ...(interval !== undefined && { perTenant: { interval, burst } }),
    subjectBudget: { daily: subject.daily_usd, monthly: subject.monthly_usd },
    tenantBudget: { daily: tenant.daily_usd, monthly: tenant.monthly_usd },
    ...(away !== undefined && { away: { share: away.share, daily: away.daily_usd } }),
  };
}

/** What the sandbox's driver is shown has no links in it; the directory itself may not be there yet. */
function canonical(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(canonical(parent), basename(path));
}

/** A text file of the operator's, strictly UTF-8. @throws ConfigError */
export function readText(file: string, mend: string): string {
  let bytes: Buffer;
  try {
    if (statSync(file).size > MAX_FILE) throw configError(file, `larger than ${MAX_FILE} bytes`);
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw configError(
      file,
      code(error) === 'ENOENT' ? `${basename(file)} is not there` : `cannot be read (${code(error)})`,
      mend,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw configError(file, 'not UTF-8');
  }
}

function code(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
