import type { SandboxProbe } from '../contract/sandbox-driver.ts';

export interface Finding {
  readonly what: string;
  readonly verdict: 'good' | 'warning' | 'missing';
  readonly evidence: string;
  readonly mend?: string;
}

interface Io {
  readonly json: boolean;
  stdout(text: string): void;
}

/** What this machine can enforce, tried rather than assumed. Exit 1 when something that is needed is missing. */
export async function doctor(probe: () => Promise<SandboxProbe>, io: Io): Promise<number> {
  const findings = [nodeVersion(process.versions.node), ...(await sandbox(probe))];
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

async function sandbox(probe: () => Promise<SandboxProbe>): Promise<Finding[]> {
  try {
    const { driver, version, controls, mend } = await probe();
    return controls.map(({ control, held, evidence }) => ({
      what: `${driver} ${version}: ${control}`,
      verdict: held ? 'good' : 'missing',
      evidence,
      ...(!held && mend !== undefined && { mend }),
    }));
  } catch (error) {
    const evidence = error instanceof Error ? error.message : String(error);
    return [{ what: 'sandbox', verdict: 'missing', evidence, mend: 'apt-get install bubblewrap' }];
  }
}

function line({ what, verdict, evidence, mend }: Finding): string {
  return `${verdict.padEnd(8)} ${what}: ${evidence}${mend === undefined ? '' : `\n         mend: ${mend}`}\n`;
}
