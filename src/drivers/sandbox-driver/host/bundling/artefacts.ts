import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from './bundling.ts';

/** Milliseconds after its last use until a file is removed. */
const kept = 30 * 24 * 3600 * 1000;

/**
 * What servers are started from, kept between starts of the runtime in a folder of the state directory. Each file's name
 * ends in the digest of what is in it, and what has another digest by now is not there: it is made anew.
 */
export class Artefacts {
  readonly #folder: string;

  /** @param folder absolute; made where it is absent */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) {
      const { mtimeMs } = statSync(join(folder, name), { throwIfNoEntry: false }) ?? {};
      if (mtimeMs !== undefined && Date.now() - mtimeMs > kept) rmSync(join(folder, name), { force: true });
    }
  }

  /** A module that the lock pins. */
  pinned(digest: string): Buffer | undefined {
    return this.#read(digest);
  }

  keep(digest: string, content: string): void {
    this.#write(digest, content);
  }

  /** What this machine's node made of a module; `of` says all that it depends on. */
  derived(of: readonly unknown[]): Buffer | undefined {
    const start = `${nameOf(of)}.`;
    const name = readdirSync(this.#folder).find((name) => name.startsWith(start) && !name.endsWith('.new'));
    return name === undefined ? undefined : this.#read(name);
  }

  keepDerived(of: readonly unknown[], content: string | Uint8Array): void {
    this.#write(`${nameOf(of)}.${digestOf(content)}`, content);
  }

  #read(name: string): Buffer | undefined {
    const path = join(this.#folder, name);
    try {
      const content = readFileSync(path);
      if (!name.endsWith(digestOf(content))) throw new Error('another digest');
      const now = new Date();
      utimesSync(path, now, now);
      return content;
    } catch {
      rmSync(path, { force: true });
      return undefined;
    }
  }

  #write(name: string, content: string | Uint8Array): void {
    const path = join(this.#folder, name);
    const fresh = `${path}.${process.pid}.new`;
    writeFileSync(fresh, content, { mode: 0o600 });
    renameSync(fresh, path);
  }
}

function nameOf(of: readonly unknown[]): string {
  return digestOf(JSON.stringify(of));
}
