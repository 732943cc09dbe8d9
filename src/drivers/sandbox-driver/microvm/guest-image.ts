import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What this driver keeps between runs: the guest image, and images of servers. */
export const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'innerkeep');

/** What a guest boots, made by `npm run servers -- guest-image`. Host paths. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
  /** The guest's /usr, an erofs image. */
  readonly system: string;
}

/** @throws where it is absent */
export function guestImage(): GuestImage {
  const [kernel, initramfs, system] = ['kernel', 'initramfs', 'system.erofs'].map((name) => join(cache, 'guest', name));
  if (!kernel || !initramfs || !system || ![kernel, initramfs, system].every((path) => existsSync(path))) {
    throw new Error('the guest image is missing');
  }
  return { kernel, initramfs, system };
}
