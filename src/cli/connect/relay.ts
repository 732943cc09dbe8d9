import type { LineOutput } from './lines.ts';
import {
  failure,
  type Id,
  type Incoming,
  isAnswer,
  isRequest,
  keyOf,
  type Message,
  notification,
  read,
  readOne,
} from './message.ts';
import { whole } from './messages.ts';
import type { Reply } from './wire.ts';

/** The bridge's own errors; outside of the range that JSON-RPC 2.0 §5.1 reserves. */
const UNAVAILABLE = 1500;

/** The requests of one line that wait for their answers. */
export class Flight {
  readonly #open = new Map<string, Id>();
  readonly #abort = new AbortController();

  constructor({ messages }: Incoming) {
    for (const message of messages) if (isRequest(message)) this.#open.set(keyOf(message.id), message.id);
  }

  /** Aborted when no answer is wanted any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get open(): readonly Id[] {
    return [...this.#open.values()];
  }

  settle(id: Id): boolean {
    return this.#open.delete(keyOf(id));
  }

  /** Nobody waits for any answer of this line any more. */
  abort(): void {
    this.#open.clear();
    this.#abort.abort();
  }
}

/** The way to the client: writes what the gateway says, and remembers what it asked. */
export class Relay {
  readonly #output: LineOutput;
  readonly #asked = new Map<string, Id>();
  readonly complain: (text: string) => void;

  constructor(output: LineOutput, complain: (text: string) => void) {
    this.#output = output;
    this.complain = complain;
  }

  /**
   * Writes one message of the gateway's, as it is; waits while the client does not read.
   * @param look sees each message before the client does
   */
  async out(text: string, flight?: Flight, look?: (message: Message) => void): Promise<void> {
    const parsed = read(text);
    if (parsed === undefined) return this.complain('the gateway sent what is not JSON');
    for (const message of parsed.messages) {
      look?.(message);
      if (isAnswer(message)) flight?.settle(message.id);
      else if (isRequest(message)) this.#asked.set(keyOf(message.id), message.id);
      else if (message.method === 'notifications/cancelled') this.#asked.delete(keyOf(message.params?.requestId));
    }
    await this.#output.write(text);
  }

  /** Whether the client may answer this: it was asked, in this session, and has not answered yet. */
  answers(id: Id): boolean {
    return this.#asked.delete(keyOf(id));
  }

  /** The session is over: nobody waits for the answers to its questions. */
  async withdraw(): Promise<void> {
    const ids = [...this.#asked.values()];
    this.#asked.clear();
    for (const requestId of ids) await this.#output.write(notification('notifications/cancelled', { requestId }));
  }

  /** Answers what is still open of a line that gets no answer. */
  async fail(flight: Flight, message: string): Promise<void> {
    await this.refuse(flight, { code: UNAVAILABLE, message });
  }

  async refuse(flight: Flight, error: unknown): Promise<void> {
    for (const id of flight.open) {
      flight.settle(id);
      await this.#output.write(failure(id, error));
    }
  }

  /** Writes what the gateway answered instead of a result; an error that names no request answers all of the line. */
  async refused(reply: Reply, flight: Flight, text?: string): Promise<void> {
    const body = text ?? (await whole(reply));
    const message = readOne(body);
    if (message !== undefined && isAnswer(message) && flight.settle(message.id)) return this.#output.write(body);
    if (flight.open.length === 0) return this.complain(`the gateway answered ${reply.statusCode}`);
    if (message?.error !== undefined) return this.refuse(flight, message.error);
    await this.fail(flight, `The gateway answered ${reply.statusCode}`);
  }
}
