import { randomUUID } from 'node:crypto';
import type { Attendance, CallerSession } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import type { JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Arrived, Framed, Revision, Subject } from '../../contract/tool-call.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import { Alarm } from './alarm.ts';
import { Asks } from './asks.ts';
import type { Bearer } from './carrier.ts';
import type { Listed } from './directory.ts';
import { sameId } from './ids.ts';
import type { SessionLimits } from './limits.ts';
import { SessionCall } from './session-call.ts';
import type { StreamDeps, Streams } from './streams.ts';

export interface SessionOpening {
  readonly id: string;
  /** What it was called before among the zones; absent: it is new. */
  readonly key?: string | undefined;
  readonly call: Bearer;
  readonly revision: Revision;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  /** Called once, when it has ended. */
  readonly onEnd: (why: string) => void;
}

/** One session: whose it is, what its client said of itself, and what of it is in flight. */
export class Session<S extends Streams = Streams> implements CallerSession {
  readonly id: string;
  readonly key: string;
  readonly isTakenUp: boolean;
  readonly revision: Revision;
  /** The one server that it was opened at; undefined: all of them. */
  readonly server: string | undefined;
  readonly streams: S;
  capabilities: JsonObject = {};
  logLevel: string | undefined;
  isSubscribed = false;
  readonly #transport: Arrived['transport'];
  readonly #clock: Clock;
  readonly #limits: SessionLimits;
  readonly #onEnd: (why: string) => void;
  readonly #abort = new AbortController();
  readonly #calls = new Map<string, SessionCall>();
  readonly #asks: Asks;
  readonly #alarm: Alarm;
  /** Of the newest request. */
  #subject: Subject;
  #until: number;
  #seen: number;

  constructor({ id, key, call, revision, clock, limits, onEnd }: SessionOpening, streams: (deps: StreamDeps) => S) {
    this.id = id;
    this.key = key ?? randomUUID();
    this.isTakenUp = key !== undefined;
    this.revision = revision;
    this.server = call.arrived.server;
    this.#transport = call.arrived.transport;
    this.#clock = clock;
    this.#limits = limits;
    this.#onEnd = onEnd;
    this.#subject = call.subject;
    this.#until = call.until;
    this.#seen = clock.now();
    this.#asks = new Asks(clock, limits);
    this.streams = streams({ session: id, clock, onOver: () => this.#rest() });
    this.#alarm = new Alarm(
      clock,
      () => this.due,
      () => this.end('it was not used any more'),
    );
  }

  get subject(): Subject {
    return this.#subject;
  }

  /** What another replica would need, to go on with it. */
  get record(): Listed['record'] {
    const { key, revision, server, capabilities, logLevel, isSubscribed } = this;
    return {
      ...{ key, revision, transport: this.#transport, subject: this.#subject, until: this.#until, capabilities },
      ...(server !== undefined && { server }),
      ...(logLevel !== undefined && { logLevel }),
      ...(isSubscribed && { isSubscribed }),
    };
  }

  get ended(): AbortSignal {
    return this.#abort.signal;
  }

  readonly notify = (message: string): void => {
    if (!this.ended.aborted) this.streams.notify(message);
  };

  /** Why this is not the session of whoever asks; undefined: it is. */
  foreignTo({ arrived, subject }: Bearer): string | undefined {
    if (this.ended.aborted || this.#clock.now() >= this.due) return 'ended';
    if (subject.key !== this.#subject.key || subject.tenant !== this.#subject.tenant) return 'of another subject';
    if (arrived.server !== this.server) return 'of another scope';
    return arrived.transport === this.#transport ? undefined : 'of another transport';
  }

  /** A request has come in it; it lives as long as the token that came with that, and a little longer. */
  touch({ subject, until }: Bearer): void {
    this.#subject = subject;
    this.#until = until;
    this.#rest();
    this.#alarm.check();
  }

  /** @throws Refusal overload, and invalid-request for an id that is in flight already */
  attend(call: Framed): Attendance {
    const { id = 'null' } = call.frame;
    const key = sameId(id);
    if (this.#calls.has(key)) throw new Refusal('invalid-request', `a request ${key} is in flight already`);
    if (this.#calls.size >= this.#limits.calls) throw new Refusal('overload', `${this.#calls.size} calls in flight`);
    const caller = new SessionCall({
      subject: call.subject,
      capabilities: this.capabilities,
      logLevel: this.logLevel,
      session: this,
      outlet: this.streams.outlet(call),
      asks: this.#asks,
      over: () => {
        this.#calls.delete(key);
        this.#rest();
      },
    });
    this.#calls.set(key, caller);
    return { caller, answered: (body) => caller.answered(body) };
  }

  /** @param id raw JSON */
  answer(id: string, answer: RpcAnswer): void {
    this.#asks.answer(sameId(id), answer);
  }

  /** @param id raw JSON */
  cancel(id: string): void {
    this.#calls.get(sameId(id))?.cancel('the client cancelled it');
  }

  /** Ends what was begun with these tokens; the whole session where one of them was its last. */
  revoke(which: (subject: Subject) => boolean): void {
    if (which(this.#subject)) this.end('the token was revoked');
    for (const call of [...this.#calls.values()]) if (which(call.subject)) call.cancel('the token was revoked');
    this.streams.revoke(which);
  }

  end(why: string): void {
    if (this.ended.aborted) return;
    this.#alarm.stop();
    this.#abort.abort(new Refusal('upstream', `the session has ended: ${why}`));
    this.streams.end();
    for (const call of [...this.#calls.values()]) call.cancel(`the session has ended: ${why}`);
    this.#calls.clear();
    this.#onEnd(why);
  }

  #rest(): void {
    this.#seen = this.#clock.now();
  }

  /** Milliseconds since the epoch at which it ends if nothing happens in it. */
  get due(): number {
    const { idle, renewal } = this.#limits;
    const used = this.streams.isOpen || this.#calls.size > 0 ? this.#clock.now() : this.#seen;
    return Math.min(used + idle, this.#until + renewal);
  }
}
