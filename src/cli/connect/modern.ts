import { type Incoming, isAnswer, type Message, readOne, VERSION_KEY } from './message.ts';
import { messages, Position, whole } from './messages.ts';
import { Mirrors } from './mirrors.ts';
import type { Flight, Relay } from './relay.ts';
import { subscribe } from './subscription.ts';
import type { Reply, Wire } from './wire.ts';

const HEADER_MISMATCH = -32020;
/** Pages of a list of tools that are asked for. */
const MAX_PAGES = 64;

/** Requests of 2026-07-28: each stands alone, and a stream that breaks takes its request with it. */
export class ModernCalls {
  readonly #wire: Wire;
  readonly #relay: Relay;
  readonly #mirrors = new Mirrors();

  constructor(wire: Wire, relay: Relay) {
    this.#wire = wire;
    this.#relay = relay;
  }

  async post(incoming: Incoming, message: Message, flight: Flight): Promise<void> {
    const send = () => this.#send(incoming.text, message, flight);
    if (message.method === 'subscriptions/listen') return subscribe(send, flight, this.#wire, this.#relay);
    const reply = await send();
    if (reply.statusCode >= 400) return this.#mend(reply, incoming, message, flight);
    await this.#take(reply, message, flight);
  }

  #send(text: string, message: Message, flight: Flight): Promise<Reply> {
    return this.#wire.post(text, this.#mirrors.of(message), flight.signal, message.id !== undefined);
  }

  async #take(reply: Reply, message: Message, flight: Flight): Promise<void> {
    const look = (answer: Message): void => {
      if (message.method === 'tools/list' && isAnswer(answer)) this.#mirrors.learn(answer.result?.tools);
    };
    for await (const text of messages(reply, new Position())) await this.#relay.out(text, flight, look);
    await this.#relay.fail(flight, 'The gateway gave no answer');
  }

  /** A tool may want arguments mirrored that this bridge has not heard of: it asks once, and calls again. */
  async #mend(reply: Reply, incoming: Incoming, message: Message, flight: Flight): Promise<void> {
    const text = await whole(reply);
    if (message.method === 'tools/call' && readOne(text)?.error?.code === HEADER_MISMATCH) {
      const before = JSON.stringify(this.#mirrors.of(message));
      await this.#askForMarks(message, flight.signal);
      if (JSON.stringify(this.#mirrors.of(message)) !== before) {
        const second = await this.#send(incoming.text, message, flight);
        if (second.statusCode >= 400) return this.#relay.refused(second, flight);
        return this.#take(second, message, flight);
      }
    }
    await this.#relay.refused(reply, flight, text);
  }

  async #askForMarks({ params }: Message, signal: AbortSignal): Promise<void> {
    const own = Object.entries(params?._meta ?? {}).filter(([key]) => key.startsWith('io.modelcontextprotocol/'));
    const _meta = { ...Object.fromEntries(own), [VERSION_KEY]: params?._meta?.[VERSION_KEY] };
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page++) {
      const request = {
        jsonrpc: '2.0',
        id: `innerkeep-${page}`,
        method: 'tools/list',
        params: { _meta, ...(cursor !== undefined && { cursor }) },
      };
      const reply = await this.#wire.post(JSON.stringify(request), this.#mirrors.of(request), signal, true);
      let answer: Message | undefined;
      for await (const text of messages(reply, new Position())) {
        const message = readOne(text);
        if (message !== undefined && isAnswer(message)) answer = message;
      }
      this.#mirrors.learn(answer?.result?.tools);
      cursor = answer?.result?.nextCursor;
      if (typeof cursor !== 'string') return;
    }
  }
}
