import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { scanJavaScript } from './code/javascript.ts';
import { scanPython } from './code/python.ts';
import type { Finding, Rule } from './finding.ts';
import { scanJsonManifest } from './manifests/scan-json-manifest.ts';
import { scanManifest } from './manifests/scan-manifest.ts';

/** Bytes; a larger file is told, not looked at. */
const MAX_FILE = 8 * 1024 * 1024;

const unseen = (id: string, text: string): Rule => ({ id, level: 'warning', text, standard: 'OWASP A08:2021' });
const large = unseen('scan.too-large', 'was not looked at');
const compiled = unseen('scan.compiled', 'is compiled code, and was not looked at');

export type Language = 'javascript' | 'typescript' | 'python';

export interface CodeFile {
  readonly path: string;
  readonly language: Language;
}

export interface Scanned {
  readonly files: number;
  /** Those of a language that other scanners know too. */
  readonly code: readonly CodeFile[];
  readonly findings: readonly Finding[];
}

/** Scans a file, or all below a folder: JavaScript, TypeScript, Python and manifests. Links are not followed. */
export function scanFiles(path: string): Scanned {
  const findings: Finding[] = [];
  const code: CodeFile[] = [];
  let files = 0;
  for (const file of filesBelow(path)) {
    const kind = kindOf(file);
    if (kind === undefined) continue;
    files++;
    const { size } = statSync(file);
    if (kind === 'compiled') findings.push({ rule: compiled, file, line: 1, what: basename(file) });
    else if (size > MAX_FILE) findings.push({ rule: large, file, line: 1, what: `${size} bytes` });
    else {
      if (kind !== 'manifest' && kind !== 'json manifest') code.push({ path: file, language: kind });
      // One by one: a file may have more of them than a call can have arguments.
      for (const one of scanners[kind](file, readFileSync(file, 'utf8'))) findings.push(one);
    }
  }
  return { files, code, findings };
}

const scanners = {
  javascript: scanJavaScript,
  typescript: scanJavaScript,
  python: scanPython,
  manifest: scanManifest,
  'json manifest': scanJsonManifest,
} as const;

function* filesBelow(path: string): Generator<string> {
  const open = [path];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!statSync(next).isDirectory()) {
      yield next;
      continue;
    }
    const here = next;
    const entries = readdirSync(here, { withFileTypes: true });
    open.push(...entries.filter((entry) => entry.isDirectory() || entry.isFile()).map(({ name }) => join(here, name)));
  }
}

const EXTENSIONS = [
  [/\.(?:[cm]?js|jsx)$/i, 'javascript'],
  [/\.(?:[cm]?ts|tsx)$/i, 'typescript'],
  [/\.pyw?$/i, 'python'],
  [/\.ya?ml$/i, 'manifest'],
  [/\.json$/i, 'json manifest'],
  [/\.(?:pyc|pyd|so|node|wasm|jar|dll|dylib|exe)$/i, 'compiled'],
] as const;

/** By its name's end; where that has none, by what its first line says shall run it. */
function kindOf(file: string): Language | 'manifest' | 'json manifest' | 'compiled' | undefined {
  const row = EXTENSIONS.find(([extension]) => extension.test(file));
  if (row !== undefined) return row[1];
  if (basename(file).includes('.')) return undefined;
  const head = Buffer.alloc(64);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head);
  closeSync(descriptor);
  const text = head.toString('latin1');
  if (text.startsWith('\x7fELF')) return 'compiled';
  const [, program] = /^#![^\n]*?\b(node|python)/.exec(text) ?? [];
  if (program === undefined) return undefined;
  return program === 'node' ? 'javascript' : 'python';
}
