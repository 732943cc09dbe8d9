const NOTHING = Buffer.alloc(0);

/** Bytes that arrive in pieces. One piece is kept as it is; of many, however small, only the bytes are kept. */
export class Collector {
  #bytes: Buffer = NOTHING;
  #length = 0;

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#bytes = NOTHING;
    this.#length = 0;
  }

  push(piece: Buffer): void {
    if (this.#length === 0) {
      this.#bytes = piece;
      this.#length = piece.length;
      return;
    }
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * length);
      larger.set(this.bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }
}
