import { readFileSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { etcFiles, type OwnFile } from '../host/own-files.ts';
import { environment, hostAuthorities, insidePaths, relayPlaces } from '../host/way-out.ts';

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
    ...files(profile).map(({ to, content }) => `file=${to} ${content}`),
    ...profile.mounts.map(
      ({ to, mode }, index) => `mount=m${index} ${mode} ${mounts[index]?.file ? 'file' : '.'} ${to}`,
    ),
    ...(wayOut === undefined ? [] : relayPlaces(wayOut).map((place) => `listen=${place.join(' ')}`)),
    ...Object.entries(variables).map((variable) => `variable=${variable.join('=')}`),
    ...command.map((word) => `argument=${word}`),
  ];
}

/** The only files of /etc; there is no host's list of authorities that could be shown. */
function files(profile: SandboxProfile): OwnFile[] {
  const { wayOut } = profile;
  const own = etcFiles(profile);
  const authorities = hostAuthorities();
  if (wayOut === undefined || wayOut.ca !== undefined || authorities === undefined) return own;
  return [...own, { to: insidePaths.authorities, content: readFileSync(authorities, 'utf8') }];
}
