import { createParser, type EventSourceParser } from 'eventsource-parser';
import { UpstreamFailure } from '../upstream.ts';

/** Turns the bytes of an event stream into the data of its `message` events, without holding more than `max` bytes. */
export class EventReader {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  readonly #parser: EventSourceParser;

  constructor(max: number, onData: (data: Uint8Array) => void) {
    this.#parser = createParser({
      maxBufferSize: max,
      onEvent: ({ event, data }) => {
        // An event without data only carries an id (SSE polling, MCP 2025-11-25).
        if (data !== '' && (event === undefined || event === 'message')) onData(Buffer.from(data));
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
