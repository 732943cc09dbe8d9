import { UpstreamFailure } from './upstream.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Cuts a byte stream into lines without ever holding more than `max` bytes of one. */
export class LineReader {
  readonly #max: number;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** True in the middle of a line. */
  get partial(): boolean {
    return this.#size > 0;
  }

  /** @throws UpstreamFailure `size` as soon as a line is longer than the bound, before it ends */
  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      const part = chunk.subarray(start, end === -1 ? undefined : end);
      if (this.#size + part.length > this.#max)
        throw new UpstreamFailure('size', `a frame of more than ${this.#max} bytes`);
      if (end === -1) {
        if (part.length > 0) this.#parts.push(part);
        this.#size += part.length;
        return lines;
      }
      const line = this.#size > 0 ? Buffer.concat([...this.#parts, part]) : part;
      this.#parts = [];
      this.#size = 0;
      start = end + 1;
      if (line.length > 1 || (line.length === 1 && line[0] !== CARRIAGE_RETURN)) lines.push(line);
    }
  }
}
