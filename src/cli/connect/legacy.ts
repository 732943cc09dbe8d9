import { setTimeout as delay } from 'node:timers/promises';
import { type Incoming, isAnswer, isRequest, keyOf, type Message, notification, readOne } from './message.ts';
import { messages, Position } from './messages.ts';
import type { Flight, Relay } from './relay.ts';
import { fresh, headersOf, passes, Refused, type Session } from './session.ts';
import type { Headers, Reply, Wire } from './wire.ts';

/** Attempts, one after the other without success, to take up the stream of an answer. */
const RESUMES = 5;
/** Requests that a new session repeats. */
const MAX_REPEATED = 1000;
const LISTS = ['tools', 'prompts', 'resources'];

/**
 * A session of 2025-11-25 and older over streamable HTTP. One that the gateway has ended is opened anew with the
 * client's own `initialize`; the client learns of it only what it must.
 */
export class LegacySession {
  readonly #wire: Wire;
  readonly #relay: Relay;
  #opening: Incoming | undefined;
  #session: Session = fresh(undefined, undefined);
  #renewal: Promise<void> | undefined;
  /** The last `logging/setLevel`, and each `resources/subscribe`: what a new session has to be told again. */
  readonly #repeated = new Map<string, string>();

  constructor(wire: Wire, relay: Relay) {
    this.#wire = wire;
    this.#relay = relay;
  }

  /** Whether there is a session, or was: without one there is nobody to tell of a cancellation. */
  get isOpen(): boolean {
    return this.#opening !== undefined;
  }

  /** The client's `initialize`; what was before it is over. */
  async open(incoming: Incoming, flight: Flight): Promise<void> {
    await this.end();
    this.#opening = incoming;
    this.#repeated.clear();
    const reply = await this.#wire.post(incoming.text, {}, flight.signal, true);
    if (reply.statusCode >= 400) return this.#relay.refused(reply, flight);
    await this.#take(reply, this.#session, flight, (message) => {
      if (isAnswer(message)) this.#session = fresh(reply, message);
    });
  }

  async post(incoming: Incoming, flight: Flight): Promise<void> {
    const session = this.#session;
    const isCall = flight.open.length > 0;
    const send = () => this.#wire.post(incoming.text, headersOf(this.#session), flight.signal, isCall);
    for (const message of incoming.messages) this.#note(message, incoming.text);
    let reply = await send();
    if (reply.statusCode === 404 && session.id !== undefined) {
      await reply.body.dump();
      await this.#renew(session);
      // The question that it answers was asked in the session that is over.
      if (incoming.messages.every(isAnswer)) return this.#relay.complain('an answer came after the end of its session');
      reply = await send();
    }
    if (reply.statusCode >= 400) return this.#relay.refused(reply, flight);
    await this.#take(reply, this.#session, flight);
    if (incoming.messages.some(({ method }) => method === 'notifications/initialized')) this.#startStream();
  }

  /** Ends the session at the gateway as well. */
  async end(): Promise<void> {
    const session = this.#session;
    this.#session = fresh(undefined, undefined);
    session.stream.abort();
    if (session.id !== undefined) await this.#wire.delete(headersOf(session));
  }

  /** Relays an answer to its end; a stream that breaks off before is taken up where it was left. */
  async #take(reply: Reply, session: Session, flight: Flight, look?: (message: Message) => void): Promise<void> {
    const position = new Position();
    for (let part: Reply | undefined = reply; part !== undefined; ) {
      try {
        for await (const text of messages(part, position)) await this.#relay.out(text, flight, look);
      } catch (error) {
        if (flight.signal.aborted || position.lastEventId === undefined) throw error;
      }
      part = flight.open.length === 0 ? undefined : await this.#resume(position, session, flight.signal);
    }
    await this.#relay.fail(flight, 'The gateway gave no answer');
  }

  async #resume(position: Position, session: Session, signal: AbortSignal): Promise<Reply | undefined> {
    if (position.lastEventId === undefined) return undefined;
    for (let failures = 0; failures < RESUMES; failures++) {
      await delay(position.wait(failures), undefined, { signal });
      if (session !== this.#session) return undefined;
      try {
        const reply = await this.#wire.get(headersOf(session, position), signal);
        if (reply.statusCode === 200) return reply;
        await reply.body.dump();
        if (!passes(reply.statusCode)) return undefined;
      } catch (error) {
        if (signal.aborted) throw error;
      }
    }
    return undefined;
  }

  #startStream(): void {
    const session = this.#session;
    this.#listen(session).catch((error: unknown) => {
      if (!session.stream.signal.aborted) this.#relay.complain(`no notifications any more: ${String(error)}`);
    });
  }

  /** The stream on which the gateway says what belongs to no call; opened again for as long as the session lasts. */
  async #listen(session: Session): Promise<void> {
    const { signal } = session.stream;
    const position = new Position();
    for (let failures = 0; ; await delay(position.wait(failures), undefined, { signal })) {
      try {
        const reply = await this.#wire.get(headersOf(session, position), signal);
        if (reply.statusCode === 200) {
          failures = 0;
          for await (const text of messages(reply, position)) await this.#relay.out(text);
          continue;
        }
        await reply.body.dump();
        if (reply.statusCode === 404 && session.id !== undefined) return await this.#renew(session);
        // 405: there is no such stream (MCP 2025-03-26 ff., Listening for Messages from the Server).
        if (reply.statusCode === 405) return;
        // What it came to is kept no more: it goes on with what comes now.
        if (!passes(reply.statusCode) && position.lastEventId === undefined) throw new Refused(reply.statusCode);
        position.lastEventId = undefined;
      } catch (error) {
        if (signal.aborted || error instanceof Refused) throw error;
      }
      failures++;
    }
  }

  #renew(stale: Session): Promise<void> {
    if (this.#session !== stale) return Promise.resolve();
    this.#renewal ??= this.#reopen(stale).finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #reopen(stale: Session): Promise<void> {
    const { signal } = stale.stream;
    await this.#relay.withdraw();
    const opened = await this.#ask(this.#opening?.text ?? '', {}, signal);
    if (opened.answer?.result === undefined) throw new Error('the gateway opened no new session');
    const session = fresh(opened.reply, opened.answer);
    const headers = headersOf(session);
    for (const text of [notification('notifications/initialized'), ...this.#repeated.values()]) {
      await this.#ask(text, headers, signal);
    }
    if (this.#session !== stale) return this.#wire.delete(headers);
    this.#session = session;
    stale.stream.abort();
    this.#startStream();
    for (const list of LISTS) {
      if (session.capabilities?.[list]?.listChanged === true) {
        await this.#relay.out(notification(`notifications/${list}/list_changed`));
      }
    }
  }

  /** Posts for the bridge itself; the client sees nothing of it. */
  async #ask(text: string, headers: Headers, signal: AbortSignal): Promise<{ reply: Reply; answer?: Message }> {
    const reply = await this.#wire.post(text, headers, signal, false);
    let answer: Message | undefined;
    for await (const part of messages(reply, new Position())) {
      const message = readOne(part);
      if (message !== undefined && isAnswer(message)) answer = message;
    }
    if (reply.statusCode >= 400) throw new Refused(reply.statusCode);
    return { reply, ...(answer && { answer }) };
  }

  #note(message: Message, text: string): void {
    if (!isRequest(message)) return;
    const { method, params } = message;
    const subscribed = `resources/subscribe ${keyOf(params?.uri)}`;
    if (method === 'resources/unsubscribe') this.#repeated.delete(subscribed);
    const key = method === 'resources/subscribe' ? subscribed : method === 'logging/setLevel' ? method : undefined;
    if (key !== undefined && this.#repeated.size < MAX_REPEATED) this.#repeated.set(key, text);
  }
}
