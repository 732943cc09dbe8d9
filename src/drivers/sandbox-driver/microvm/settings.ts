import { readFileSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { etcFiles } from '../host/own-files.ts';
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
    ...Object.entries(files(profile)).map(([path, content]) => `file=${path} ${content}`),
    ...profile.mounts.map(
      ({ to, mode }, index) => `mount=m${index} ${mode} ${mounts[index]?.file ? 'file' : '.'} ${to}`,
    ),
    ...(wayOut === undefined ? [] : relayPlaces(wayOut).map((place) => `listen=${place.join(' ')}`)),
    ...Object.entries(variables).map((variable) => `variable=${variable.join('=')}`),
    ...command.map((word) => `argument=${word}`),
  ];
}

/** The guest has no file of the host's: its authorities come along too. */
function files(profile: SandboxProfile): Record<string, string> {
  const own = Object.fromEntries(etcFiles(profile).map(({ to, content }) => [to, content]));
  if (profile.wayOut === undefined || profile.wayOut.ca !== undefined) return own;
  const authorities = hostAuthorities();
  return { ...own, [insidePaths.authorities]: authorities === undefined ? '' : readFileSync(authorities, 'utf8') };
}
