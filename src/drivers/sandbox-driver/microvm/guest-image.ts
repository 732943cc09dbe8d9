import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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

/** Where the image is that has our agent in it and no older one. */
const folder = join(cache, 'guest', agentDigest());

export function guestImageIsThere(): boolean {
  return existsSync(join(folder, 'versions.json'));
}

/** @throws where it is absent */
export function guestImage(): GuestImage {
  if (!guestImageIsThere()) throw new Error(`the guest image is missing (${folder})`);
  return {
    kernel: join(folder, 'kernel'),
    initramfs: join(folder, 'initramfs'),
    system: join(folder, 'system.erofs'),
  };
}

/** As in scripts/servers/guest-image.mjs, which runs on other versions of Node than this. */
function agentDigest(): string {
  const sources = join(import.meta.dirname, 'guest');
  const digest = createHash('sha256');
  for (const name of readdirSync(sources).sort()) digest.update(readFileSync(join(sources, name)));
  return digest.digest('hex').slice(0, 16);
}
