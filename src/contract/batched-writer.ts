/** What of a socket a BatchedWriter needs (node:net). */
interface BatchedSocket {
  readonly destroyed: boolean;
  cork(): void;
  uncork(): void;
  write(bytes: Uint8Array): boolean;
}

/** Frames of one turn of the event loop leave in one write. */
export class BatchedWriter {
  readonly #socket: BatchedSocket;
  readonly #endOfTurn: (flush: () => void) => void;
  #corked = false;

  /** @param endOfTurn runs its argument when this turn of the event loop is over, e.g. `setImmediate` */
  constructor(socket: BatchedSocket, endOfTurn: (flush: () => void) => void) {
    this.#socket = socket;
    this.#endOfTurn = endOfTurn;
  }

  /** @returns false where the socket is full, until it drains; true where it is gone, and nothing is written */
  write(frame: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return true;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      this.#endOfTurn(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    return socket.write(frame);
  }
}
