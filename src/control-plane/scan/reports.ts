import type { Lock } from '../packages/lock.ts';
import type { Found, Scanner, ScanReport } from './scan.ts';
import { SEMGREP_VERSION } from './semgrep/semgrep.ts';

/** SARIF 2.1.0 (OASIS), a run for each scanner that looked. What was accepted is suppressed (§3.27.23), not left out. */
export function sarif({ findings, withSemgrep }: ScanReport, isAccepted: IsAccepted, version: string): object {
  const run = (name: Scanner, of: string): object => {
    const found = findings.filter(({ by }) => by.includes(name));
    const rules = [...new Map(found.map(({ rule }) => [rule.id, rule])).values()];
    return {
      tool: {
        driver: {
          name,
          version: of,
          rules: rules.map(({ id, text, standard }) => ({
            id,
            shortDescription: { text },
            properties: { tags: standard.split(', ') },
          })),
        },
      },
      results: found.map((one) => result(one, isAccepted(one))),
    };
  };
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [run('innerkeep', version), ...(withSemgrep ? [run('semgrep', SEMGREP_VERSION)] : [])],
  };
}

type IsAccepted = (found: Found) => boolean;

function result({ rule, file, line, what }: Found, isAccepted: boolean): object {
  const uri = file.split('/').map(encodeURIComponent).join('/');
  return {
    ruleId: rule.id,
    level: rule.level,
    message: { text: `${rule.text}: ${what}` },
    locations: [{ physicalLocation: { artifactLocation: { uri }, region: { startLine: line } } }],
    ...(isAccepted && { suppressions: [{ kind: 'external' }] }),
  };
}

/** CycloneDX 1.6: every package that the lock pins, with the digest of its tarball. */
export function sbom({ servers }: Lock): object {
  const components = new Map<string, object>();
  for (const { packages = {} } of Object.values(servers))
    for (const [path, { name = nameAt(path), version, integrity }] of Object.entries(packages)) {
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      components.set(purl, { type: 'library', 'bom-ref': purl, name, version, purl, hashes: hashesOf(integrity) });
    }
  return { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1, components: [...components.values()] };
}

const ALGORITHMS: Readonly<Record<string, string>> = { sha512: 'SHA-512', sha384: 'SHA-384', sha256: 'SHA-256' };

function hashesOf(integrity: string): readonly object[] {
  return integrity.split(' ').map((one) => {
    const dash = one.indexOf('-');
    const content = Buffer.from(one.slice(dash + 1), 'base64').toString('hex');
    return { alg: ALGORITHMS[one.slice(0, dash)], content };
  });
}

function nameAt(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}
