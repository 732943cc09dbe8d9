import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayIdentity } from '../contract/control-link.ts';
import type { GatewayOpening } from '../contract/zone-link.ts';
import { privateDirectory, readSecret, replaceFile } from '../control-plane/pki/state-files.ts';

/**
 * What a gateway keeps, so that it can serve after a restart while zone 0 is away. Each file is replaced whole. The bundle is
 * as it came, signature and all, and is verified again when it is read.
 */
export class GatewayKeep {
  readonly #directory: string;

  /** @throws StateError when others may read it */
  constructor(state: string) {
    this.#directory = privateDirectory(join(state, 'gateway'));
  }

  get auditFile(): string {
    return join(privateDirectory(join(this.#directory, 'audit')), 'audit.jsonl');
  }

  get identity(): GatewayIdentity | undefined {
    return this.#json<GatewayIdentity>('identity.json');
  }

  set identity(identity: GatewayIdentity) {
    this.#write('identity.json', JSON.stringify(identity));
  }

  get opening(): GatewayOpening | undefined {
    return this.#json<GatewayOpening>('opening.json');
  }

  set opening(opening: GatewayOpening) {
    this.#write('opening.json', JSON.stringify(opening));
  }

  get envelope(): string | undefined {
    return readSecret(join(this.#directory, 'bundle.dsse.json'));
  }

  set envelope(envelope: string) {
    this.#write('bundle.dsse.json', envelope);
  }

  /** When zone 0 was heard last, in milliseconds since the epoch. */
  get heard(): number | undefined {
    const file = join(this.#directory, 'heard');
    const at = existsSync(file) ? Number(readFileSync(file, 'utf8')) : Number.NaN;
    return Number.isFinite(at) ? at : undefined;
  }

  set heard(at: number) {
    this.#write('heard', String(at));
  }

  #write(name: string, text: string): void {
    replaceFile(join(this.#directory, name), text);
  }

  #json<T>(name: string): T | undefined {
    const text = readSecret(join(this.#directory, name));
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }
}
