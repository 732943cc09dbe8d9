import { readFileSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { etc } from '../host/machine.ts';
import {
  environment,
  hostAuthorities,
  hostLines,
  insidePaths,
  nameSources,
  relayPlaces,
  trusted,
} from '../host/way-out.ts';

/**
 * What the agent does to be one server's sandbox, KEY=VALUE (guest/server.c).
 *
 * @param mounts whether each of the profile's mounts is one file
 */
export function settings(profile: SandboxProfile, mounts: readonly { readonly file: boolean }[]): string[] {
  const { memory, pids, command, wayOut } = profile;
  const variables = {
    PATH: '/opt/node/bin:/usr/bin:/bin',
    HOME: '/tmp',
    PWD: '/srv',
    ...(wayOut && environment(wayOut)),
  };
  return [
    ...[`memory=${memory}`, `pids=${pids}`, `scratch=${Math.floor(memory / 2)}`],
    ...Object.entries(files(profile)).map(([path, content]) => `file=${path} ${content}`),
    ...profile.mounts.map(
      ({ to, mode }, index) => `mount=m${index} ${mode} ${mounts[index]?.file ? 'file' : '.'} ${to}`,
    ),
    ...(wayOut === undefined ? [] : relayPlaces(wayOut).map((place) => `listen=${place.join(' ')}`)),
    ...Object.entries(variables).map((variable) => `variable=${variable.join('=')}`),
    ...command.map((word) => `argument=${word}`),
  ];
}

/** The only files of /etc. */
function files({ wayOut }: SandboxProfile): Record<string, string> {
  if (wayOut === undefined) return { '/etc/passwd': etc.passwd, '/etc/hosts': etc.hosts };
  const authorities = hostAuthorities();
  return {
    '/etc/passwd': etc.passwd,
    '/etc/hosts': etc.hosts + hostLines(wayOut),
    [insidePaths.names]: nameSources,
    [insidePaths.authorities]:
      wayOut.ca === undefined ? (authorities && readFileSync(authorities, 'utf8')) || '' : trusted(wayOut.ca),
  };
}
