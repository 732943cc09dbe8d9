import { hash } from 'node:crypto';
import { relative } from 'node:path';
import type { GatewayServer, SandboxedServer, SandboxProfile } from '../../contract/bundle.ts';
import { canonicalJson } from '../../contract/canonical-json.ts';

/**
 * What zone 0 signs of a server's sandbox: the same on every machine.
 * @param files digest of its pinned files
 * @param directory of the configuration, from which mounts below it are told
 */
export function profileOf(server: SandboxedServer, files: string, directory: string): SandboxProfile {
  const { kind: _kind, name: _name, root: _root, ...rest } = server;
  const mounts = server.mounts.map(({ from, ...mount }) => {
    const below = relative(directory, from);
    return { from: below.startsWith('..') ? from : `./${below}`, ...mount };
  });
  return { ...rest, files, mounts };
}

/** SHA-256 of its canonical JSON, base64url. */
export function profileDigest(profile: SandboxProfile): string {
  return hash('sha256', canonicalJson(JSON.stringify(profile)), 'base64url');
}

/** Server → digest of its profile, for those that zone 2 runs. */
export function profilesOf(servers: readonly GatewayServer[]): ReadonlyMap<string, string> {
  const all = servers.map(({ pins, profile }) => profile && ([pins.name, profileDigest(profile)] as const));
  return new Map(all.filter((one) => one !== undefined));
}
