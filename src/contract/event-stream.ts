/** One event of a stream (HTML Living Standard, Server-sent events); `data` has no line breaks of its own. */
export interface ServerSentEvent {
  /** What a client repeats in `Last-Event-ID`. */
  readonly id?: string;
  /** Its name, where it is not `message`. */
  readonly event?: string;
  /** Milliseconds that a client waits before it comes back. */
  readonly retry?: number;
  readonly data: string;
}

/**
 * The answer to one HTTP request as a stream of events, if it becomes one: the first event writes the head. A stream
 * whose client does not read is cut off.
 */
export interface EventStream {
  readonly state: 'idle' | 'open' | 'closed';
  /** Writes the head, with these headers beside its own; nothing where it is open already. */
  open(headers?: Readonly<Record<string, string>>): void;
  /** Opens an idle stream. @returns whether the event was written; false: nobody is there any more */
  send(event: ServerSentEvent): boolean;
  /** Ends the response after what was sent. */
  end(): void;
  /** Called once, when the stream has ended or its client has gone; at once where that has happened. */
  onClosed(listener: () => void): void;
}
