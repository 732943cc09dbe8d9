import type { Message } from './message.ts';
import { UpstreamFailure } from './upstream.ts';

/** From one request of ours to the next. */
const MAX_REQUESTS = 100;
const MAX_NOTIFICATIONS = 1000;

/** What a server sends beside the answer to one request. */
export class Asides {
  readonly #token: string | number | undefined;
  readonly #notify: (raw: string) => void;
  #requests = 0;
  #notifications = 0;

  /** @param token of the request's progress; undefined: none was asked for, so none is passed on */
  constructor(token: string | number | undefined, notify: (raw: string) => void) {
    this.#token = token;
    this.#notify = notify;
  }

  /**
   * Passes on progress; all other notifications are dropped.
   * @returns the raw JSON-RPC response to a request. We declare no capability, so all but `ping` is unknown here.
   * @throws UpstreamFailure when the server asks without end
   */
  receive(message: Message): string | undefined {
    if (message.kind === 'request') {
      if (++this.#requests > MAX_REQUESTS)
        throw new UpstreamFailure('upstream', `more than ${MAX_REQUESTS} requests by the server`);
      const outcome =
        message.method === 'ping' ? '"result":{}' : '"error":{"code":-32601,"message":"Method not found"}';
      return `{"jsonrpc":"2.0","id":${message.id},${outcome}}`;
    }
    if (message.kind === 'notification' && message.method === 'notifications/progress' && this.#token !== undefined)
      if (message.params?.progressToken === this.#token && ++this.#notifications <= MAX_NOTIFICATIONS)
        this.#notify(message.raw);
    return undefined;
  }
}
