import { loadConfig } from '../control-plane/config/load.ts';
import { readLock } from '../control-plane/packages/lock.ts';
import { Store } from '../control-plane/packages/store.ts';
import { sarif, sbom } from '../control-plane/scan/reports.ts';
import { type Found, scanPaths } from '../control-plane/scan/scan.ts';
import type { RunSemgrep } from '../control-plane/scan/semgrep/semgrep.ts';
import { options, UsageError } from './options.ts';
import { type Io, printable } from './terminal.ts';

interface ScanDeps {
  /** Absolute paths. */
  readonly config: string;
  readonly state: string;
  readonly version: string;
  readonly semgrep: RunSemgrep;
}

/**
 * `scan [PATH…]`: code and manifests below the paths; without one, the pinned files of every server. `--accept RULE:FILE` is
 * what a person has read and found harmless. `--sarif` for machines; `--sbom` writes the packages that the lock pins, as
 * CycloneDX, and scans nothing.
 * @returns 1 when something of level error is found and not accepted, else 0
 * @throws UsageError when nothing is found of what is accepted; ConfigError
 */
export async function scan(argv: readonly string[], io: Io, deps: ScanDeps): Promise<number> {
  const { config, state, version } = deps;
  const flag = { type: 'boolean', default: false } as const;
  const flags = { sarif: flag, sbom: flag, accept: { type: 'string', multiple: true } } as const;
  const { values, positionals } = options(argv, flags, Number.POSITIVE_INFINITY);
  const paths = values.sbom || positionals.length === 0 ? await pinned(config, state) : { folders: positionals };
  if (values.sbom) {
    io.stdout(`${JSON.stringify('lock' in paths ? sbom(paths.lock) : {})}\n`);
    return 0;
  }
  const report = await scanPaths(paths.folders, deps.semgrep);
  const { files, findings, withSemgrep } = report;
  const idle = new Set(values.accept);
  const isAccepted = ({ rule, file }: Found): boolean => {
    const name = `${rule.id}:${file}`;
    idle.delete(name);
    return values.accept?.includes(name) ?? false;
  };
  const open = findings.filter((one) => !isAccepted(one));
  for (const name of idle) throw new UsageError(`--accept ${name}: nothing of that is found any more`);
  if (!withSemgrep) io.stderr('semgrep is not there and did not look; npm run servers -- semgrep brings it\n');
  if (values.sarif) io.stdout(`${JSON.stringify(sarif(report, isAccepted, version))}\n`);
  else if (io.json)
    io.stdout(`${JSON.stringify({ files, findings: open, accepted: findings.length - open.length })}\n`);
  else {
    for (const { rule, file, line, what } of open)
      io.stdout(
        `${printable(file)}:${line}: ${rule.level} ${rule.id}: ${rule.text} (${rule.standard}): ${printable(what)}\n`,
      );
    io.stdout(`${files} files, ${open.length} findings, ${findings.length - open.length} accepted\n`);
  }
  return open.some(({ rule }) => rule.level === 'error') ? 1 : 0;
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
