import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from './finding.ts';
import { scanJavaScript } from './javascript.ts';
import { scanManifest } from './manifest.ts';

/** Bytes; a larger file is told, not looked at. */
const MAX_FILE = 8 * 1024 * 1024;

const large = {
  id: 'scan.too-large',
  level: 'warning',
  text: 'was not looked at',
  standard: 'OWASP A08:2021',
} as const;

export interface Scanned {
  readonly files: number;
  readonly findings: readonly Finding[];
}

/** Scans a file, or all below a folder: JavaScript and manifests. Links are not followed. */
export function scanFiles(path: string): Scanned {
  const findings: Finding[] = [];
  let files = 0;
  const open = [path];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const about = statSync(next);
    if (about.isDirectory()) {
      const here = next;
      const entries = readdirSync(here, { withFileTypes: true });
      open.push(
        ...entries.filter((entry) => entry.isDirectory() || entry.isFile()).map(({ name }) => join(here, name)),
      );
      continue;
    }
    const scan = /\.[cm]?js$/.test(next) ? scanJavaScript : /\.ya?ml$/.test(next) ? scanManifest : undefined;
    if (scan === undefined) continue;
    files++;
    if (about.size > MAX_FILE) findings.push({ rule: large, file: next, line: 1, what: `${about.size} bytes` });
    else findings.push(...scan(next, readFileSync(next, 'utf8')));
  }
  return { files, findings };
}
