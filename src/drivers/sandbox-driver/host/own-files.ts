import { openSync } from 'node:fs';
import type { SandboxProfile } from '../../../contract/sandbox-driver.ts';
import { anonymousFile, openAnonymous } from './descriptors.ts';
import { hostLines, insidePaths, nameSources, trusted } from './way-out.ts';

/** A file that is made for the sandbox. */
export interface OwnFile {
  readonly to: string;
  readonly content: string;
}

const passwd = 'nobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n';
const hosts = '127.0.0.1 localhost sandbox\n::1 localhost\n';

/** The only files of /etc: what resolves the sandbox's one user and its loopback, and what the way out needs. */
export function etcFiles({ wayOut }: SandboxProfile): OwnFile[] {
  const user = { to: '/etc/passwd', content: passwd };
  if (wayOut === undefined) return [user, { to: '/etc/hosts', content: hosts }];
  return [
    user,
    { to: '/etc/hosts', content: hosts + hostLines(wayOut) },
    { to: insidePaths.names, content: nameSources },
    ...(wayOut.ca === undefined ? [] : [{ to: insidePaths.authorities, content: trusted(wayOut.ca) }]),
  ];
}

/** Opens such files for a start; what sandboxes have alike is written once. */
export class OwnFiles {
  readonly #paths = new Map<string, string>();

  /** @returns descriptors, which are the caller's to close */
  open(files: readonly OwnFile[], { wayOut }: SandboxProfile): number[] {
    return files.map(({ content }) => {
      // One with an authority of the sandbox's own is no other's.
      if (wayOut?.ca !== undefined && content.includes(wayOut.ca)) return openAnonymous(content);
      const path = this.#paths.get(content) ?? anonymousFile(content);
      this.#paths.set(content, path);
      return openSync(path, 'r');
    });
  }
}

/** bubblewrap's arguments that put them below `root`, from their descriptors, which follow each other from `first` on. */
export function fileArguments(files: readonly OwnFile[], first: number, root: string): string[] {
  return files.flatMap(({ to }, index) => ['--file', String(first + index), root + to]);
}
