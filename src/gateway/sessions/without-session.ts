import type { Caller } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import { isObject, type JsonObject } from '../../contract/json.ts';
import type { Framed, Subject } from '../../contract/tool-call.ts';
import { Alarm } from './alarm.ts';
import { capabilitiesOf } from './capabilities.ts';
import { levelOf } from './levels.ts';

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

/**
 * A request that belongs to no session. From 2026-07-28 on it says all about its client itself (`_meta`); of an older
 * one nothing is known. A disconnect ends it, for nobody could come back for the answer; its stream ends with its token.
 */
export class CallWithoutSession implements Caller {
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  readonly ask = undefined;
  readonly session = undefined;
  readonly subject: Subject;
  readonly #call: Framed;
  readonly #clock: Clock;
  readonly #calls: Set<CallWithoutSession>;
  #abort: AbortController | undefined;
  #alarm: Alarm | undefined;

  /**
   * @param calls those that have a stream or might get one; it enters itself
   * @throws Refusal params for an unknown level, or too many capabilities
   */
  constructor(call: Framed, clock: Clock, calls: Set<CallWithoutSession>) {
    const meta = call.frame.modern && isObject(call.frame.params?._meta) ? call.frame.params._meta : {};
    const { [CAPABILITIES]: capabilities, [LOG_LEVEL]: level } = meta;
    this.capabilities = capabilitiesOf(capabilities);
    this.logLevel = level === undefined ? undefined : levelOf(level);
    this.subject = call.subject;
    this.#call = call;
    this.#clock = clock;
    this.#calls = calls;
  }

  /** Made for whoever asks: most requests are answered without. */
  get signal(): AbortSignal {
    return this.#watched().signal;
  }

  readonly notify = (message: string): void => {
    this.#watched();
    if (this.#clock.now() < this.#call.until) this.#call.arrived.events.send({ data: message });
  };

  answered(body: string): void {
    const { events } = this.#call.arrived;
    if (events.state === 'open') events.send({ data: body });
    this.#rest();
  }

  end(): void {
    this.#call.arrived.events.end();
    this.#abort?.abort();
    this.#rest();
  }

  #watched(): AbortController {
    if (this.#abort !== undefined) return this.#abort;
    const abort = new AbortController();
    this.#abort = abort;
    const { arrived, until } = this.#call;
    if (arrived.signal.aborted) abort.abort();
    else arrived.signal.addEventListener('abort', () => this.end(), { once: true });
    this.#alarm = new Alarm(
      this.#clock,
      () => until,
      // What has not become a stream was begun in time, and is answered.
      () => arrived.events.state === 'open' && this.end(),
    );
    this.#calls.add(this);
    return abort;
  }

  #rest(): void {
    this.#alarm?.stop();
    this.#calls.delete(this);
  }
}
