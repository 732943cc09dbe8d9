import type { Duplex } from 'node:stream';

/** Reads the beginning of a connection piece by piece; what it did not take is to be had, or given back. */
export class ByteReader {
  readonly #stream: Duplex;
  readonly #deadline: AbortSignal;
  #bytes: Buffer = Buffer.alloc(0);

  /** @param milliseconds for all that is read */
  constructor(stream: Duplex, milliseconds: number) {
    this.#stream = stream;
    this.#deadline = AbortSignal.timeout(milliseconds);
  }

  /** What has arrived and was not taken. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  /** @throws EndOfInput when the other side is through, or late */
  async exactly(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) await this.more();
    return this.take(count);
  }

  /**
   * Up to and with `end`, of which `most` bytes are looked at.
   * @throws RangeError when it is not in them, EndOfInput
   */
  async through(end: string, most: number): Promise<string> {
    for (;;) {
      const at = this.#bytes.subarray(0, most).indexOf(end, 0, 'latin1');
      if (at >= 0) return this.take(at + end.length).toString('latin1');
      if (this.#bytes.length >= most) throw new RangeError(`no end within ${most} bytes`);
      await this.more();
    }
  }

  /** Waits for bytes beyond those that are here. @throws EndOfInput */
  async more(): Promise<void> {
    const chunk = (this.#stream.read() as Buffer | null) ?? (await this.#next());
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** Puts bytes before those that have arrived. */
  prepend(bytes: Buffer): void {
    this.#bytes = Buffer.concat([bytes, this.#bytes]);
  }

  /** Makes what was not taken the stream's next bytes again; not to be had of a stream that has ended. */
  restore(): void {
    if (this.#bytes.length > 0) this.#stream.unshift(this.#bytes);
    this.#bytes = Buffer.alloc(0);
  }

  #next(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#stream;
      const settle = (then: () => void) => {
        stream.off('readable', readable);
        for (const event of ['end', 'close', 'error']) stream.off(event, gone);
        this.#deadline.removeEventListener('abort', gone);
        then();
      };
      const gone = () => settle(() => reject(new EndOfInput()));
      const readable = () => {
        const chunk = stream.read() as Buffer | null;
        if (chunk !== null) settle(() => resolve(chunk));
      };
      if (stream.readableEnded || stream.destroyed || this.#deadline.aborted) return gone();
      stream.on('readable', readable);
      for (const event of ['end', 'close', 'error']) stream.once(event, gone);
      this.#deadline.addEventListener('abort', gone, { once: true });
    });
  }
}

/** The connection was ended, or said nothing in time. */
export class EndOfInput extends Error {}
