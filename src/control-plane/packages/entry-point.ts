import { readdir, readFile, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { configError, SafetyError } from '../config/problem.ts';

/**
 * The argument vector, inside the sandbox, of a package's one command (npm's rule: the only `bin`, or the one that is
 * named as the package). Read from the tarball that was pinned, never from the registry's own description.
 */
export async function entryPoint(root: string, name: string): Promise<readonly string[]> {
  const manifest = await packageJson(join(root, 'node_modules', name));
  const bins =
    typeof manifest.bin === 'string' ? { [baseName(name)]: manifest.bin } : isRecord(manifest.bin) ? manifest.bin : {};
  const files = new Set(Object.values(bins));
  const chosen = files.size === 1 ? [...files][0] : bins[baseName(name)];
  if (typeof chosen !== 'string')
    throw configError(
      'npm',
      `${name} has ${files.size === 0 ? 'no command' : `several commands: ${Object.keys(bins).join(', ')}`}`,
      'unpack it and add the directory with its command',
    );
  const path = posix.normalize(chosen);
  if (path.startsWith('..') || path.startsWith('/'))
    throw new SafetyError(`the command of ${name} lies outside of it: ${chosen}`);
  const file = join(root, 'node_modules', name, path);
  if ((await stat(file).catch(() => undefined))?.isFile() !== true)
    throw new SafetyError(`the command of ${name} is not in its tarball: ${chosen}`);
  const inside = posix.join('/srv/node_modules', name, path);
  const first = (await readFile(file, 'utf8')).split('\n', 1)[0] ?? '';
  const node = /^#!.*\bnode\b/.test(first) || (!first.startsWith('#!') && /\.[cm]?js$/.test(path));
  return node ? ['node', inside] : [inside];
}

/** `name@version: postinstall: COMMAND` of each package that would run something on installation. They are never run. */
export async function installScripts(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name !== 'package.json') continue;
    if (!/(^|\/)node_modules\/(@[^/]+\/)?[^/@]+$/.test(entry.parentPath)) continue;
    const manifest = await packageJson(entry.parentPath);
    const scripts = isRecord(manifest.scripts) ? manifest.scripts : {};
    const title = `${manifest.name}@${manifest.version}`;
    for (const hook of ['preinstall', 'install', 'postinstall'])
      if (typeof scripts[hook] === 'string') found.push(`${title}: ${hook}: ${scripts[hook]}`);
    const gyp = await stat(join(entry.parentPath, 'binding.gyp')).catch(() => undefined);
    if (gyp !== undefined && scripts.install === undefined && scripts.preinstall === undefined)
      found.push(`${title}: install: node-gyp rebuild`);
  }
  return found.sort();
}

async function packageJson(directory: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
    return isRecord(value) ? value : {};
  } catch {
    throw new SafetyError(`no readable package.json in ${directory.slice(directory.indexOf('node_modules'))}`);
  }
}

function baseName(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
