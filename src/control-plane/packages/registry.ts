import pacote from 'pacote';
import { SafetyError } from '../config/problem.ts';
import type { NpmSettings } from './npm-settings.ts';

const MIB = 1024 ** 2;
/** Bytes of one document, once its encoding is undone: some packages have tens of megabytes of versions. */
const MAX_DOCUMENT = 64 * MIB;
/** Bytes of all package documents that one command reads. */
const MAX_DOCUMENTS = 256 * MIB;
/** Packages that one may depend on, and that are asked about at all. */
const MAX_PACKAGES = 5000;
const DEPENDENCIES = ['dependencies', 'optionalDependencies', 'peerDependencies', 'devDependencies'] as const;

/**
 * What a registry answers for a URL; above `max` bytes the connection is given up. npm's own client asks, which knows the
 * operator's proxy, CA and login; what `npm.integrity` names is verified.
 * @throws SafetyError above the bound and for other URLs than of the web, and what that client throws
 */
export async function answered(url: string, npm: NpmSettings, max: number): Promise<Buffer> {
  // npm's client would read a file of this machine as readily.
  if (!/^https?:\/\//.test(url)) throw new SafetyError(`the registry names a place that is no URL of the web: ${url}`);
  const over = new AbortController();
  // On its way into npm's cache an answer is held, however much of it there is: only who works offline has it from there.
  const cache = npm.offline === true || npm.preferOffline === true ? npm.cache : undefined;
  const options = { ...npm, cache, allowRemote: 'all', signal: over.signal } as pacote.Options;
  const read = (answer: NodeJS.ReadableStream) =>
    new Promise<Buffer>((resolve, reject) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      // Counted as they come: npm's client takes them as fast as they are sent, whoever reads.
      answer.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes <= max) return void pieces.push(piece);
        reject(new SafetyError(`the registry answers more than ${max / MIB} MiB for ${new URL(url).pathname}`));
        over.abort();
      });
      answer.on('error', reject);
      answer.on('end', () => resolve(Buffer.concat(pieces)));
    });
  return pacote.tarball.stream(url, read, options);
}

/** A document of the registry's. @throws SafetyError above 64 MiB, and what npm's client throws */
export async function documentAt(url: string, npm: NpmSettings): Promise<string> {
  return (await answered(url, npm, MAX_DOCUMENT)).toString();
}

/**
 * What npm's client looks package documents up in before it asks the registry: it finds each of them here, read within
 * the bound, and asks for none itself.
 */
export class Packuments {
  readonly #npm: NpmSettings;
  readonly #held = new Map<string, Promise<unknown>>();
  #bytes = 0;

  constructor(npm: NpmSettings) {
    this.#npm = npm;
  }

  has(): boolean {
    return true;
  }

  /**
   * @param key `corgi:URL`, of what an installation needs, or `full:URL`
   * @throws SafetyError for more, or larger ones, than any honest tree has
   */
  async get(key: string): Promise<unknown> {
    const known = this.#held.get(key);
    if (known !== undefined) return known;
    if (this.#held.size >= MAX_PACKAGES) throw new SafetyError(`the tree has more than ${MAX_PACKAGES} packages`);
    const held = this.#read(key);
    this.#held.set(key, held);
    return held;
  }

  async #read(key: string): Promise<unknown> {
    const [, kind, url = ''] = /^(full|corgi):(.*)$/s.exec(key) ?? [];
    const full = 'application/json';
    const accept = kind === 'full' ? full : `application/vnd.npm.install-v1+json; q=1.0, ${full}; q=0.8, */*`;
    const text = await documentAt(url, { ...this.#npm, headers: { accept } });
    this.#bytes += text.length;
    if (this.#bytes > MAX_DOCUMENTS)
      throw new SafetyError(`the registry's documents of this tree are more than ${MAX_DOCUMENTS / MIB} MiB`);
    return packument(text);
  }
}

function packument(text: string): object {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new SafetyError('the registry answers what is no JSON');
  }
  if (!isObject(said)) throw new SafetyError('the registry has no document of a package');
  for (const version of Object.values(said.versions ?? {}))
    for (const kind of DEPENDENCIES)
      if (sizeOf(version?.[kind]) > MAX_PACKAGES)
        throw new SafetyError(`the registry names more than ${MAX_PACKAGES} packages in ${kind}`);
  return said;
}

/** npm takes a text for a list of its characters, and asks about each. */
function sizeOf(list: unknown): number {
  return typeof list === 'string' ? list.length : Object.keys(list ?? {}).length;
}

function isObject(
  said: unknown,
): said is { readonly versions?: Readonly<Record<string, Readonly<Record<string, unknown>> | null>> } {
  return typeof said === 'object' && said !== null;
}
