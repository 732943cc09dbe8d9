import { Deadline } from '../deadline.ts';
import type { Era } from '../handshake.ts';
import type { Line } from '../server-task.ts';
import { cancelled } from '../upstream.ts';

/** What bounds the life of a remote server's task. */
interface Bounds {
  readonly era: Era;
  /** Milliseconds. */
  readonly deadline: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** A remote server's task: the deadline of its call holds for all that is said about it together. */
export class TaskLine implements Line {
  readonly era: Era;
  readonly lost: Promise<never>;
  readonly send: Line['send'];
  readonly withdraw: Line['withdraw'];
  readonly #deadline: Deadline;
  readonly #signal: AbortSignal;
  readonly #gone: () => void;

  constructor({ era, deadline, now, signal }: Bounds, { send, withdraw }: Pick<Line, 'send' | 'withdraw'>) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.era = era;
    this.lost = promise;
    this.send = send;
    this.withdraw = withdraw;
    this.#deadline = new Deadline(deadline, now, reject);
    this.#signal = signal;
    this.#gone = () => reject(cancelled());
    signal.addEventListener('abort', this.#gone, { once: true });
    if (signal.aborted) this.#gone();
  }

  asking(open: boolean): void {
    this.#deadline.pause(open);
  }

  close(): void {
    this.#deadline.clear();
    this.#signal.removeEventListener('abort', this.#gone);
  }
}
