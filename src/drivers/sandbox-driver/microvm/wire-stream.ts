import { Duplex, type DuplexOptions } from 'node:stream';
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
  /** Nothing is sent any more: both directions have ended, or one side has given up, or the wire is gone. */
  #over = false;
  #sentEnd: boolean;
  #gotEnd: boolean;
  readonly #whenOver: () => void;

  /** @param whenOver its number may be another stream's from now on */
  constructor(send: Send, whenOver: () => void, { readable = true, writable = true }: Directions) {
    super({ readable, writable, readableHighWaterMark: window, writableHighWaterMark: window } as DuplexOptions);
    this.#send = send;
    this.#whenOver = whenOver;
    this.#sentEnd = !writable;
    this.#gotEnd = !readable;
    this.on('error', () => {});
  }

  /** @throws for what this stream may not bring */
  receive(kind: number, payload: Buffer): void {
    if (kind === kinds.data && !this.#gotEnd) {
      this.#owed += payload.length;
      if (this.#owed > this.#window) throw new Error('a stream over its window');
      if (!this.destroyed) this.push(payload);
    } else if (kind === kinds.credit && payload.length === 4) {
      // The agent cannot have taken more than it was sent.
      this.#credit = Math.min(window, this.#credit + payload.readUInt32LE(0));
      this.#resume();
    } else if (kind === kinds.end && !this.#gotEnd) {
      this.#end();
      if (this.#sentEnd) this.#finish();
    } else if (kind === kinds.reset) {
      this.#finish();
      this.destroy();
    } else {
      throw new Error(`a frame of kind ${kind}`);
    }
  }

  /** The wire has ended: what came is still read, nothing more is sent. */
  abandon(): void {
    this.#end();
    this.#finish();
  }

  #end(): void {
    if (!this.#gotEnd && !this.destroyed) this.push(null);
    this.#gotEnd = true;
    this.#ended();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended();
    this.#whenOver();
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
    this.#sentEnd = true;
    if (this.#gotEnd) this.#finish();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#over && !(this.#sentEnd && this.#gotEnd)) this.#send(kinds.reset, nothing);
    this.#finish();
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
