import type { Readable } from 'node:stream';

const kept = 4096;
/** Bytes read in one turn, and milliseconds to the next: an endless writer waits, and costs us next to nothing. */
const burst = 256 * 1024;
const rest = 50;

/** Drains a stream at a bounded rate and keeps its last 4 kB. */
export class StderrTail {
  #tail: Uint8Array = new Uint8Array(0);
  #budget = burst;
  #finished = false;

  constructor(stream: Readable) {
    stream.on('error', () => {});
    stream.on('data', (chunk: Uint8Array) => {
      this.#keep(chunk);
      this.#budget -= chunk.length;
      if (this.#budget > 0 || this.#finished) return;
      stream.pause();
      const timer = setTimeout(() => {
        this.#budget = burst;
        stream.resume();
      }, rest);
      timer.unref();
    });
    const ended = new Promise<void>((resolve) => stream.once('close', resolve));
    this.finish = () => {
      this.#finished = true;
      stream.resume();
      return ended;
    };
  }

  /** Once no writer is left: reads what is still in the pipe, without rests. */
  readonly finish: () => Promise<void>;

  text(): string {
    return Buffer.from(this.#tail).toString('utf8');
  }

  #keep(chunk: Uint8Array): void {
    const last = chunk.subarray(-kept);
    const before = last.length === kept ? new Uint8Array(0) : this.#tail.subarray(last.length - kept);
    this.#tail = Uint8Array.from(Buffer.concat([before, last]));
  }
}
