import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { type SealKey, StateUnavailable } from '../../../contract/state-store.ts';

const IV = 12;
const TAG = 16;
const PURPOSE = 'innerkeep record 1';

/**
 * Seals texts for whoever is told the same keys: AES-256-GCM (NIST SP 800-38D; a key is taken for a day, far fewer than 2^32
 * times), bound to kind and id, so that one record cannot be shown as another.
 */
export class Seals {
  readonly #keys: () => readonly SealKey[];
  readonly #made = new WeakMap<SealKey, KeyObject>();

  /** @param keys newest first. The second seals: everybody has had it for a day, also who hears of the newest later. */
  constructor(keys: () => readonly SealKey[]) {
    this.#keys = keys;
  }

  /** @throws StateUnavailable before there are keys */
  seal(kind: string, id: string, text: string): string {
    const by = this.#keys()[1];
    if (by === undefined) throw new StateUnavailable('no key for records has arrived');
    const iv = randomBytes(IV);
    const cipher = createCipheriv('aes-256-gcm', this.#keyOf(by), iv, { authTagLength: TAG }).setAAD(about(kind, id));
    const body = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${by.id}.${body.toString('base64url')}`;
  }

  /** Undefined: it is not ours, not this record's, or older than its key. */
  open(kind: string, id: string, sealed: string): string | undefined {
    const [name = '', body = ''] = sealed.split('.');
    const key = this.#keys().find((one) => one.id === name);
    const bytes = Buffer.from(body, 'base64url');
    if (key === undefined || bytes.length < IV + TAG) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.#keyOf(key), bytes.subarray(0, IV), { authTagLength: TAG });
    decipher.setAAD(about(kind, id)).setAuthTag(bytes.subarray(-TAG));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(IV, -TAG)), decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }

  #keyOf(seal: SealKey): KeyObject {
    const made = this.#made.get(seal) ?? createSecretKey(seal.key, 'base64url');
    this.#made.set(seal, made);
    return made;
  }
}

function about(kind: string, id: string): Buffer {
  return Buffer.from(JSON.stringify([PURPOSE, kind, id]));
}
