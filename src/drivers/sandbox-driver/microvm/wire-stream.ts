import { Duplex } from 'node:stream';
import { kinds, largest } from './frames.ts';

const window = 64 * 1024;
/** Bytes that a pipe holds, pipe(7). */
const pipe = 64 * 1024;

/** `false` for the one that a stream does not have. */
export interface Directions {
  readonly readable?: boolean;
  readonly writable?: boolean;
}

type Send = (kind: number, payload: Uint8Array, sent?: () => void) => void;

const nothing = new Uint8Array(0);

/** One stream: what it may send is bounded by the agent's window, what it holds by its own. */
export class WireStream extends Duplex {
  readonly #send: Send;
  #credit = window;
  #window = window;
  #ended = (): void => {};
  /** Resolves when nothing more will come, whether or not what came was read. */
  readonly ended = new Promise<void>((resolve) => {
    this.#ended = resolve;
  });
  #pending: { chunk: Uint8Array; done: () => void } | undefined;
  /** Bytes that came and were not credited yet. */
  #owed = 0;
  #over = false;

  constructor(send: Send, directions: Directions) {
    super({ ...directions, readableHighWaterMark: window, writableHighWaterMark: window });
    this.#send = send;
    this.on('error', () => {});
  }

  /** @throws for what this stream may not bring */
  receive(kind: number, payload: Buffer): void {
    switch (kind) {
      case kinds.data:
        this.#owed += payload.length;
        if (this.#owed > this.#window) throw new Error('a stream over its window');
        this.push(payload);
        return;
      case kinds.credit:
        // The agent cannot have taken more than it was sent.
        this.#credit = Math.min(window, this.#credit + (payload.length === 4 ? payload.readUInt32LE(0) : 0));
        this.#resume();
        return;
      case kinds.end:
        this.#ended();
        this.push(null);
        return;
      case kinds.reset:
        this.#over = true;
        this.#ended();
        this.destroy();
        return;
      default:
        throw new Error(`a frame of kind ${kind}`);
    }
  }

  /** The wire has ended: what came is still read, nothing more is sent. */
  abandon(): void {
    this.#over = true;
    this.#ended();
    if (!this.destroyed) this.push(null);
    this.#resume();
  }

  /** Lets come what was still in a pipe of the server when it ended, also when nobody reads. */
  drain(): void {
    this.#window += pipe;
    if (!this.#over) this.#grant(pipe);
  }

  override _read(): void {
    // What is left of the window lets the guest go on meanwhile.
    if (this.#owed < window / 2 || this.#over) return;
    this.#grant(this.#owed);
    this.#owed = 0;
  }

  #grant(bytes: number): void {
    const credit = Buffer.allocUnsafe(4);
    credit.writeUInt32LE(bytes, 0);
    this.#send(kinds.credit, credit);
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#pending = { chunk, done };
    this.#resume();
  }

  override _final(done: () => void): void {
    if (!this.#over) this.#send(kinds.end, nothing);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#over) this.#send(kinds.reset, nothing);
    this.#over = true;
    this.#resume();
    done(error);
  }

  #resume(): void {
    const { chunk, done } = this.#pending ?? {};
    if (chunk === undefined || done === undefined) return;
    if (this.#over) {
      this.#pending = undefined;
      done();
      return;
    }
    const length = Math.min(chunk.length, this.#credit, largest);
    if (length === 0) return;
    this.#pending = undefined;
    this.#credit -= length;
    this.#send(kinds.data, chunk.subarray(0, length), () => {
      if (length === chunk.length) {
        done();
        return;
      }
      this.#pending = { chunk: chunk.subarray(length), done };
      this.#resume();
    });
  }
}
