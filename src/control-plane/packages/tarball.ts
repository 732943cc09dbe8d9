import { rm, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import pacote from 'pacote';
import { Parser } from 'tar';
import { SafetyError } from '../config/problem.ts';
import type { NpmSettings } from './npm-settings.ts';
import { answered } from './registry.ts';
import { MAX_BYTES, MAX_FILES } from './store.ts';

/** Bytes of one package as the registry sends it. */
const MAX_TARBALL = 128 * 1024 ** 2;
const CHUNK = 256 * 1024;

/** What all packages of one server may unpack to together, counted before anything of it is written. */
export class Unpacked {
  #bytes = 0;
  #entries = 0;

  /** @throws SafetyError */
  add(title: string, bytes: number, entries: number): void {
    this.#bytes += bytes;
    this.#entries += entries;
    if (this.#bytes > MAX_BYTES) throw new SafetyError(`with ${title} more than ${MAX_BYTES} bytes would be unpacked`);
    if (this.#entries > MAX_FILES)
      throw new SafetyError(`with ${title} more than ${MAX_FILES} files would be unpacked`);
  }
}

/**
 * Fetches a package whole and with its integrity, counts what it holds, and only then unpacks it into `target`, over
 * `file`. Links and devices in it are left out.
 * @param title `NAME@VERSION`
 * @throws SafetyError out of bounds, and what npm's client throws
 */
export async function unpack(
  title: string,
  file: string,
  target: string,
  npm: NpmSettings & { readonly integrity: string },
  unpacked: Unpacked,
): Promise<void> {
  const tarball = await answered(await pacote.resolve(title, npm as pacote.Options), npm, MAX_TARBALL);
  await count(title, tarball, unpacked);
  await writeFile(file, tarball, { flag: 'wx', mode: 0o600 });
  await pacote.extract(`file:${file}`, target, { ...npm, allowFile: 'all' } as pacote.Options);
  await rm(file);
}

/** Reads a tarball to its end as its unpacker will, and keeps nothing of it. */
async function count(title: string, tarball: Buffer, unpacked: Unpacked): Promise<void> {
  let entries = 0;
  const parser = new Parser({
    onReadEntry: (entry) => {
      entries++;
      entry.resume();
    },
  });
  await pipeline([tarball], createGunzip({ chunkSize: CHUNK }), async (plain: AsyncIterable<Buffer>) => {
    for await (const piece of plain) {
      parser.write(piece);
      unpacked.add(title, piece.length, entries);
      entries = 0;
    }
  });
}
