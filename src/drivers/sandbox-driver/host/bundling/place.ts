import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mount } from '../../../../contract/bundle.ts';

/** Where a sandbox finds what its server is started from: a folder of the host that lives as long as the runtime. */
export class Place {
  readonly #folder: string;
  readonly mount: Mount;

  /** @param folder absolute, absent, in no folder that is forbidden to mounts */
  constructor(folder: string) {
    this.#folder = folder;
    this.mount = { from: folder, to: '/opt/innerkeep/start', mode: 'ro' };
    this.makeFolder();
  }

  /** The sandboxes' own user reads it, whatever our umask is. */
  makeFolder(...names: readonly string[]): void {
    const path = join(this.#folder, ...names);
    mkdirSync(path);
    chmodSync(path, 0o755);
  }

  makeFile(content: string | Uint8Array, ...names: readonly string[]): void {
    const path = join(this.#folder, ...names);
    writeFileSync(path, content);
    chmodSync(path, 0o644);
  }
}
