import { accessSync, constants, realpathSync, type Stats, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { Finding } from './document.ts';
import type { Settings } from './schema.ts';

interface Place {
  readonly file: string;
  readonly directory: string;
  readonly state: string;
}

/**
 * Everything on this machine that the settings name: it is there, it is of the right kind, and a mount shows a server
 * nothing that would free it (runtime sockets, the host's /proc, our own state and configuration).
 * Mounts come back with their links resolved, so that what was judged is what is mounted.
 */
export function checkPaths(
  settings: Settings,
  place: Place,
): { readonly settings: Settings; readonly faults: readonly Finding[] } {
  const faults: Finding[] = [];
  const file = (path: string | undefined, ...key: PropertyKey[]): void => {
    if (path === undefined) return;
    const fault = readable(path, (stats) => stats.isFile());
    if (fault !== undefined) faults.push({ path: key, message: `${path}: ${fault}`, mend: 'name a readable PEM file' });
  };
  for (const key of ['cert', 'key', 'client_ca'] as const) file(settings.edge.tls[key], 'edge', 'tls', key);
  file(settings.opa?.ca, 'policies', 'ca');
  file(settings.identity.spiffe?.bundle, 'identity', 'spiffe', 'bundle');
  for (const [index, { ca }] of settings.identity.issuers.entries()) file(ca, 'identity', 'issuers', index, 'ca');
  for (const kind of ['pagerduty', 'alertmanager', 'webhook'] as const)
    file(settings.paging?.[kind]?.ca, 'paging', kind, 'ca');
  const servers = Object.entries(settings.servers).map(([name, server]) => {
    file(server.ca, 'servers', name, 'ca');
    for (const [index, { ca }] of server.sandbox.egress.entries())
      file(ca, 'servers', name, 'sandbox', 'egress', index, 'ca');
    const mounts = server.mounts.map((mount, index) => {
      const { from, fault, mend } = judgeMount(mount.from, place);
      if (fault !== undefined) faults.push({ path: ['servers', name, 'mounts', index, 'from'], message: fault, mend });
      return { ...mount, from };
    });
    return [name, { ...server, mounts }] as const;
  });
  return { settings: { ...settings, servers: Object.fromEntries(servers) }, faults };
}

const HOST_ONLY = ['/proc', '/sys', '/dev', '/run', '/var/run', '/boot', '/etc', '/root/.ssh'];

function judgeMount(
  path: string,
  place: Place,
): { readonly from: string; readonly fault?: string; readonly mend: string } {
  const mend = 'mount a directory that holds only what the server may see';
  const missing = readable(path, (stats) => stats.isFile() || stats.isDirectory());
  if (missing !== undefined) return { from: path, fault: `${path}: ${missing}`, mend };
  const from = realpathSync(path);
  for (const host of HOST_ONLY) {
    if (within(from, host) || within(host, from))
      return { from, fault: `${path} would show the server the host's ${host}`, mend };
  }
  for (const own of [place.state, place.file, join(place.directory, 'innerkeep.lock')]) {
    if (within(own, from) || within(real(own), from) || within(from, place.state))
      return { from, fault: `${path} would show the server ${own}`, mend };
  }
  return { from, mend };
}

/** Is `path` `directory` or below it? */
export function within(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way === '' || !(way === '..' || way.startsWith(`..${sep}`) || way.startsWith(sep));
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function readable(path: string, kind: (stats: Stats) => boolean): string | undefined {
  try {
    if (!kind(statSync(path))) return 'not of the right kind';
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'is not there' : 'cannot be read';
  }
}
