import type { Duplex } from 'node:stream';
import { header, kinds, largest, streams } from './frames.ts';
import { type Directions, WireStream } from './wire-stream.ts';

export interface WireListener {
  /** An order's answer: `ready`, `started`, `failed` or `exited`. */
  answer(kind: number, payload: Buffer): void;
  /** A connection inside of the sandbox; `line` is what it begins with. */
  connection(stream: Duplex, line: Buffer): void;
}

/**
 * Orders and streams of bytes over the one port of a guest. Whatever comes from it is hostile: what is not a frame that
 * may come now ends the wire, and a stream holds its window and no more.
 */
export class Wire {
  readonly #port: Duplex;
  readonly #listener: WireListener;
  readonly #streams = new Map<number, WireStream>();
  #held: Buffer = Buffer.alloc(0);
  #broken: Error | undefined;

  /** @param port raw bytes; it is destroyed when the guest breaks the protocol */
  constructor(port: Duplex, listener: WireListener) {
    this.#port = port;
    this.#listener = listener;
    port.on('data', (chunk: Buffer) => this.#receive(chunk));
    port.once('close', () => this.#close(new Error('the guest is gone')));
    port.on('error', (error) => this.#close(error));
  }

  /** Why it ended; undefined as long as it has not. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  /** Has to be called before the frames of this stream come. */
  stream(id: number, directions: Directions = {}): WireStream {
    const stream = new WireStream(
      (kind, payload, sent) => this.#send(kind, id, payload, sent),
      () => void this.#streams.delete(id),
      directions,
    );
    this.#streams.set(id, stream);
    return stream;
  }

  order(kind: number, payload: Uint8Array): void {
    this.#send(kind, streams.orders, payload);
  }

  #send(kind: number, stream: number, payload: Uint8Array, sent?: () => void): void {
    const frame = Buffer.allocUnsafe(header + payload.length);
    frame.writeUInt32LE(payload.length, 0);
    frame.writeUInt16LE(stream, 4);
    frame.writeUInt16LE(kind, 6);
    frame.set(payload, header);
    if (this.#port.writable) this.#port.write(frame, () => sent?.());
    else sent?.();
  }

  #receive(chunk: Buffer): void {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    try {
      while (bytes.length >= header) {
        const length = bytes.readUInt32LE(0);
        if (length > largest) throw new Error(`a frame of ${length} bytes`);
        if (bytes.length < header + length) break;
        this.#frame(bytes.readUInt16LE(6), bytes.readUInt16LE(4), bytes.subarray(header, header + length));
        bytes = bytes.subarray(header + length);
      }
      this.#held = bytes;
    } catch (error) {
      this.#port.destroy();
      this.#close(error as Error);
    }
  }

  #frame(kind: number, id: number, payload: Buffer): void {
    if (id === streams.orders) {
      this.#listener.answer(kind, payload);
    } else if (kind === kinds.open) {
      if (id < streams.firstConnection || id >= streams.most || this.#streams.has(id)) throw new Error(`stream ${id}`);
      this.#listener.connection(this.stream(id), payload);
    } else {
      // What was on its way when the stream ended here is dropped.
      this.#streams.get(id)?.receive(kind, payload);
    }
  }

  #close(why: Error): void {
    if (this.#broken) return;
    this.#broken = why;
    for (const stream of [...this.#streams.values()]) stream.abandon();
  }
}
