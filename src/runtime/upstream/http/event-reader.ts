import { createParser, type EventSourceParser } from 'eventsource-parser';
import { UpstreamFailure } from '../upstream.ts';

/** What can be repeated in `Last-Event-ID` without being altered on the way (RFC 9110 §5.5). */
const USABLE_ID = /^[\x21-\x7e]([\x20-\x7e]{0,1022}[\x21-\x7e])?$/;

/** Reads an event stream (HTML Living Standard, Server-sent events) without holding more than `max` bytes of it. */
export class EventReader {
  /** Of the last event that had one; undefined where that cannot be sent back. */
  lastId: string | undefined;
  /** Milliseconds to wait before coming back, where the server said so. */
  retry: number | undefined;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  readonly #parser: EventSourceParser;

  /** @param onData receives the data of each `message` event */
  constructor(max: number, onData: (data: string) => void) {
    this.#parser = createParser({
      maxBufferSize: max,
      onId: (id) => {
        this.lastId = USABLE_ID.test(id) ? id : undefined;
      },
      onRetry: (retry) => {
        this.retry = retry;
      },
      onEvent: ({ event, data }) => {
        // An event without data only carries an id (SSE polling, MCP 2025-11-25).
        if (data !== '' && (event === undefined || event === 'message')) onData(data);
      },
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded')
          throw new UpstreamFailure('size', `an event of more than ${max} bytes`);
      },
    });
  }

  /** @throws UpstreamFailure `size` above the bound, `upstream` on bytes that are not UTF-8 */
  push(chunk: Uint8Array): void {
    let text: string;
    try {
      text = this.#decoder.decode(chunk, { stream: true });
    } catch {
      throw new UpstreamFailure('upstream', 'the event stream is not UTF-8');
    }
    this.#parser.feed(text);
  }
}
