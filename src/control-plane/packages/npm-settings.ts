import Config from '@npmcli/config';
import settings from '@npmcli/config/lib/definitions/index.js';
import { Packuments } from './registry.ts';

/** Registry, credentials, CA and proxy as the operator's npm uses them; its cache where he works offline. */
export type NpmSettings = Readonly<Record<string, unknown>>;

/**
 * @param directory where a project's `.npmrc` is looked for
 * @param env the environment: `npm_config_*`, proxies, HOME
 */
export async function npmSettings(
  directory: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<NpmSettings> {
  const config = new Config({
    ...settings,
    npmPath: directory,
    argv: ['node', 'npm'],
    env: { ...env },
    cwd: directory,
    warn: false,
  });
  await config.load();
  // Whatever the operator's npm does elsewhere: nothing of a package runs here, and packages come from registries alone.
  const strict = {
    ignoreScripts: true,
    allowGit: 'none',
    allowRemote: 'none',
    allowFile: 'none',
    allowDirectory: 'none',
  };
  const npm = { ...config.flat, ...strict, audit: false, fund: false };
  return { ...npm, packumentCache: new Packuments(npm) };
}
