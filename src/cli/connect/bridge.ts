import { setTimeout as delay } from 'node:timers/promises';
import { LegacySession } from './legacy.ts';
import { type LineOutput, lines } from './lines.ts';
import { type Incoming, isAnswer, isModern, isRequest, keyOf, type Message, read } from './message.ts';
import { ModernCalls } from './modern.ts';
import { Flight, Relay } from './relay.ts';
import { type Gateway, Wire } from './wire.ts';

/** Bytes of one line; more than the largest body that a gateway can be configured to take. */
const MAX_LINE = 8 * 1024 * 1024;
/** Lines that may be under way when a further request is taken on; answers and notifications always are. */
const MAX_FLIGHTS = 1024;
/** Milliseconds that calls get to end by themselves after the end of the input. */
const GRACE = 30_000;

/**
 * The stdio side of the gateway, for clients that speak stdio only or cannot be given a CA: lines go out as POSTs, and
 * what the gateway answers, says and asks comes back as lines (MCP 2025-03-26 to 2026-07-28, transports). Ends when the
 * input does, after the calls that it brought, or when nobody reads the output any more.
 */
export function bridge(
  input: AsyncIterable<Uint8Array>,
  output: LineOutput,
  complain: (text: string) => void,
  gateway: Gateway,
): Promise<void> {
  return new Bridge(output, complain, gateway).run(input);
}

class Bridge {
  readonly #output: LineOutput;
  readonly #complain: (text: string) => void;
  readonly #wire: Wire;
  readonly #relay: Relay;
  readonly #legacy: LegacySession;
  readonly #modern: ModernCalls;
  readonly #flights = new Map<Flight, Promise<void>>();
  /** By the keys of the requests in them. */
  readonly #waiting = new Map<string, { readonly flight: Flight; readonly modern: boolean }>();
  readonly #subscriptions = new Set<Flight>();

  constructor(output: LineOutput, complain: (text: string) => void, gateway: Gateway) {
    this.#output = output;
    this.#complain = complain;
    this.#wire = new Wire(gateway);
    this.#relay = new Relay(output, complain);
    this.#legacy = new LegacySession(this.#wire, this.#relay);
    this.#modern = new ModernCalls(this.#wire, this.#relay);
  }

  async run(input: AsyncIterable<Uint8Array>): Promise<void> {
    const abortAll = (): void => {
      for (const flight of this.#flights.keys()) flight.abort();
    };
    this.#output.closed.addEventListener('abort', abortAll);
    try {
      for await (const line of lines(input, MAX_LINE, this.#complain)) await this.#accept(line);
      for (const flight of this.#subscriptions) flight.abort();
      const over = new AbortController();
      const grace = delay(GRACE, undefined, { signal: over.signal }).catch(() => undefined);
      await Promise.race([Promise.all(this.#flights.values()), grace]);
      over.abort();
    } catch (error) {
      if (!this.#output.closed.aborted) throw error;
    } finally {
      abortAll();
      await this.#legacy.end();
      await this.#wire.close();
    }
  }

  /** Resolves when the next line may follow. */
  async #accept(text: string): Promise<void> {
    const incoming = read(text);
    if (incoming === undefined) return this.#complain('a line that is not JSON was dropped');
    const [message] = incoming.messages;
    if (message === undefined) return;
    if (message.method === 'notifications/cancelled' && this.#cancel(message)) return;
    if (incoming.messages.every((one) => isAnswer(one) && !this.#relay.answers(one.id))) {
      return this.#complain('an answer to what nobody asked was dropped');
    }
    const flight = new Flight(incoming);
    if (flight.open.length > 0 && this.#flights.size >= MAX_FLIGHTS) return this.#relay.refuse(flight, TOO_MANY);
    const sent = this.#send(incoming, message, flight);
    // What follows needs the session that these open (MCP 2025-11-25, Lifecycle).
    if (message.method === 'initialize' || message.method === 'notifications/initialized') await sent;
  }

  async #send(incoming: Incoming, message: Message, flight: Flight): Promise<void> {
    const modern = isModern(message);
    for (const { id } of incoming.messages.filter(isRequest)) this.#waiting.set(keyOf(id), { flight, modern });
    if (message.method === 'subscriptions/listen') this.#subscriptions.add(flight);
    const sent = this.#relayed(incoming, message, flight, modern);
    this.#flights.set(flight, sent);
    await sent;
    this.#flights.delete(flight);
    this.#subscriptions.delete(flight);
    for (const { id } of incoming.messages.filter(isRequest)) {
      if (this.#waiting.get(keyOf(id))?.flight === flight) this.#waiting.delete(keyOf(id));
    }
  }

  /** Never rejects. */
  async #relayed(incoming: Incoming, message: Message, flight: Flight, modern: boolean): Promise<void> {
    try {
      if (modern) await this.#modern.post(incoming, message, flight);
      else if (message.method === 'initialize') await this.#legacy.open(incoming, flight);
      else await this.#legacy.post(incoming, flight);
    } catch (error) {
      if (flight.signal.aborted) return;
      this.#complain(String(error));
      await this.#relay.fail(flight, 'The gateway could not be reached');
    }
  }

  /**
   * Over HTTP it is the disconnect that cancels a request of 2026-07-28; an older one is cancelled by the notification.
   * @returns whether all is done
   */
  #cancel(message: Message): boolean {
    const found = this.#waiting.get(keyOf(message.params?.requestId));
    if (found === undefined) return isModern(message) || !this.#legacy.isOpen;
    if (found.modern) found.flight.abort();
    else found.flight.settle(message.params?.requestId as string);
    return found.modern;
  }
}

const TOO_MANY = { code: 1429, message: 'Too many requests' };
