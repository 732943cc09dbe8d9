import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const TAG = 16;

/**
 * Texts that lie encrypted (AES-256-GCM) under a key of their own, which is in this object alone: with it they are gone,
 * whatever has become of the memory that they lay in. Each has its number for its nonce and as its additional data, so that
 * none stands for another.
 */
export class SealedTexts {
  readonly #key = randomBytes(32);
  readonly #sealed: readonly Buffer[];
  /** Bytes that they take up. */
  readonly bytes: number;

  constructor(texts: readonly string[]) {
    this.#sealed = texts.map((text, index) => {
      const cipher = createCipheriv('aes-256-gcm', this.#key, nonce(index), { authTagLength: TAG }).setAAD(
        nonce(index),
      );
      return Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    });
    this.bytes = this.#sealed.reduce((sum, { length }) => sum + length, 0);
  }

  get count(): number {
    return this.#sealed.length;
  }

  /** Undefined: there is none of that index. */
  open(index: number): string | undefined {
    const sealed = this.#sealed[index];
    if (sealed === undefined) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce(index), { authTagLength: TAG });
    decipher.setAAD(nonce(index)).setAuthTag(sealed.subarray(-TAG));
    return decipher.update(sealed.subarray(0, -TAG), undefined, 'utf8') + decipher.final('utf8');
  }

  /** Nothing opens them any more. */
  destroy(): void {
    this.#key.fill(0);
  }
}

function nonce(index: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(index, 8);
  return bytes;
}
