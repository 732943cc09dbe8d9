import { loadConfig } from '../control-plane/config/load.ts';
import { readLock } from '../control-plane/packages/lock.ts';
import { Store } from '../control-plane/packages/store.ts';
import { type Scanned, scanFiles } from '../control-plane/scan/files.ts';
import { sarif, sbom } from '../control-plane/scan/reports.ts';
import { options } from './options.ts';
import { type Io, printable } from './terminal.ts';

interface ScanDeps {
  /** Absolute paths. */
  readonly config: string;
  readonly state: string;
  readonly version: string;
}

/**
 * `scan [PATH…]`: JavaScript and manifests below the paths; without one, the pinned files of every server. `--sarif` for
 * machines; `--sbom` writes the packages that the lock pins, as CycloneDX, and scans nothing.
 * @returns 1 when something of level error is found, else 0
 * @throws UsageError, ConfigError
 */
export async function scan(argv: readonly string[], io: Io, { config, state, version }: ScanDeps): Promise<number> {
  const flags = { sarif: { type: 'boolean', default: false }, sbom: { type: 'boolean', default: false } } as const;
  const { values, positionals } = options(argv, flags, Number.POSITIVE_INFINITY);
  const paths = values.sbom || positionals.length === 0 ? await pinned(config, state) : { folders: positionals };
  if (values.sbom) {
    io.stdout(`${JSON.stringify('lock' in paths ? sbom(paths.lock) : {})}\n`);
    return 0;
  }
  const all = paths.folders.map(scanFiles);
  const findings = all.flatMap((one: Scanned) => one.findings);
  const files = all.reduce((sum, one) => sum + one.files, 0);
  if (values.sarif) io.stdout(`${JSON.stringify(sarif(findings, version))}\n`);
  else if (io.json) io.stdout(`${JSON.stringify({ files, findings })}\n`);
  else {
    for (const { rule, file, line, what } of findings)
      io.stdout(
        `${printable(file)}:${line}: ${rule.level} ${rule.id}: ${rule.text} (${rule.standard}): ${printable(what)}\n`,
      );
    io.stdout(`${files} files, ${findings.length} findings\n`);
  }
  return findings.some(({ rule }) => rule.level === 'error') ? 1 : 0;
}

async function pinned(config: string, state: string) {
  const loaded = await loadConfig(config, state);
  const lock = readLock(loaded.directory);
  const store = new Store(loaded.state);
  const digests = Object.values(lock.servers).flatMap(({ digest }) =>
    digest !== undefined && store.has(digest) ? [digest] : [],
  );
  return { lock, folders: digests.map((digest) => store.path(digest)) };
}
