import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxProfile } from '../../../../contract/sandbox-driver.ts';
import { declaredPaths, type Reachable, systemDirectories } from '../../host/machine.ts';
import { etcFiles, fileArguments, type OwnFile } from '../../host/own-files.ts';
import { descriptors, innerGate, scratchOf, unprivileged, usualVariables, variables } from '../arguments.ts';

/** Below /tmp, over which each child mounts its own. */
const program = { to: '/tmp/nursery.py', content: readFileSync(join(import.meta.dirname, 'nursery.py'), 'utf8') };
const door = '/tmp/door';

export function nurseryFiles(profile: SandboxProfile): OwnFile[] {
  return [...etcFiles(profile), program];
}

/**
 * The argument vector of bubblewrap for the parent of a server's sandboxes. It sees what they see, but for a /proc on
 * which nothing is hidden: the kernel lets only who sees all of one mount another. So it may make user namespaces, too.
 *
 * @param socket host path of the unix socket that the children's streams come from
 */
export function nurseryCommand(
  bubblewrap: string,
  profile: SandboxProfile,
  from: Reachable,
  socket: string,
  devices: readonly string[],
  files: readonly OwnFile[],
): string[] {
  return [
    ...[bubblewrap, ...unprivileged, ...variables(usualVariables)],
    ...systemDirectories(''),
    ...['--proc', '/proc'],
    ...devices,
    ...['--size', String(scratchOf(profile)), '--tmpfs', '/tmp'],
    ...fileArguments(files, descriptors.files, ''),
    ...['--ro-bind', socket, door],
    ...declaredPaths('', profile, from),
    ...['--remount-ro', '/', '--chdir', '/srv'],
    ...['--seccomp', String(descriptors.seccomp)],
    ...['--', '/bin/sh', '-c', innerGate, 'sh', '/usr/bin/python3', program.to],
  ];
}

/** The file of a python server; undefined: the command is something else, or gives python options of its own. */
export function pythonFile([python = '', file = '']: readonly string[]): string | undefined {
  const runs = python === 'python3' || python === '/usr/bin/python3';
  return runs && /^[^-].*/.test(file) ? file : undefined;
}
