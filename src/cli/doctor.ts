import { existsSync } from 'node:fs';
import type { SandboxProbe } from '../contract/sandbox-driver.ts';
import { loadConfig } from '../control-plane/config/load.ts';
import { driverOf } from '../control-plane/packages/pins-for.ts';

export interface Finding {
  readonly what: string;
  /** `missing`: it is needed; `absent`: nothing that is configured asks for it. */
  readonly verdict: 'good' | 'warning' | 'missing' | 'absent';
  readonly evidence: string;
  readonly mend?: string;
}

interface Io {
  readonly json: boolean;
  stdout(text: string): void;
}

/**
 * The drivers that the servers of a configuration ask for; without one, what a server gets that asks for none.
 * @throws ConfigError
 */
export async function configuredDrivers(file: string, state: string): Promise<ReadonlySet<string>> {
  if (!existsSync(file)) return new Set(['bubblewrap']);
  const { servers } = await loadConfig(file, state);
  const sandboxed = Object.values(servers).filter(({ url }) => url === undefined);
  return new Set(sandboxed.map(({ sandbox }) => driverOf(sandbox)));
}

/**
 * What this machine can enforce, tried rather than assumed: a row a control and driver. Exit 1 when something is
 * missing that is needed.
 * @param needed names of drivers
 */
export async function doctor(
  needed: ReadonlySet<string>,
  probe: () => Promise<readonly SandboxProbe[]>,
  io: Io,
): Promise<number> {
  const sandboxes = (await probe()).flatMap((found) => driver(found, needed.has(found.driver)));
  const findings = [nodeVersion(process.versions.node), ...sandboxes];
  if (io.json) io.stdout(`${JSON.stringify({ findings })}\n`);
  else for (const finding of findings) io.stdout(line(finding));
  return findings.some(({ verdict }) => verdict === 'missing') ? 1 : 0;
}

/** October 2026's security release: the Brotli decoder and TLS host names. */
export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const fixedIn: Readonly<Record<number, readonly [minor: number, patch: number]>> = { 24: [22, 1], 26: [12, 1] };
  const [fixedMinor, fixedPatch] = fixedIn[major] ?? [Number.POSITIVE_INFINITY, 0];
  const fixed = major > 26 || minor > fixedMinor || (minor === fixedMinor && patch >= fixedPatch);
  const what = 'node';
  if (fixed) return { what, verdict: 'good', evidence: version };
  const evidence = `${version} lacks the security release of October 2026 (Brotli decoder, TLS host names)`;
  return { what, verdict: 'warning', evidence, mend: 'for production: an image with 24.22.1 or 26.12.1' };
}

function driver({ driver, version, controls, mend }: SandboxProbe, needed: boolean): Finding[] {
  return controls.map(({ control, held, evidence }) => ({
    what: `${driver} ${version}: ${control}`,
    verdict: held ? 'good' : needed ? 'missing' : 'absent',
    evidence,
    ...(!held && mend !== undefined && { mend }),
  }));
}

function line({ what, verdict, evidence, mend }: Finding): string {
  return `${verdict.padEnd(8)} ${what}: ${evidence}${mend === undefined ? '' : `\n         mend: ${mend}`}\n`;
}
