import type { StaleLists } from '../stale-lists.ts';
import { UpstreamFailure } from '../upstream.ts';
import type { SideChannel } from './side.ts';
import { MAX_STREAMS, type Target } from './target.ts';
import type { Watch } from './watch.ts';

/** Calls that wait for an answer of a client, each with its connection: half of them at most, and few of one subject. */
const MAX_HELD = 32;
const MAX_HELD_BY_SUBJECT = 8;

/** What everything that speaks to one server shares. */
export interface Wire {
  readonly target: Target;
  readonly watch: Watch;
  readonly side: SideChannel;
  readonly held: HeldCalls;
  readonly streams: StreamCount;
  /** What is told of in one conversation counts in all. */
  readonly stale: StaleLists;
  /** Bytes of one message. */
  readonly maxResult: number;
  /** No id is used twice with one server, whoever asks and in whatever session. */
  nextId(): number;
}

/** Counts calls that are held while a client is asked, so that they cannot take every connection from the others. */
export class HeldCalls {
  readonly #bySubject = new Map<string, number>();
  #all = 0;

  mayHold(subject: string): boolean {
    return this.#all < MAX_HELD && (this.#bySubject.get(subject) ?? 0) < MAX_HELD_BY_SUBJECT;
  }

  hold(subject: string): void {
    this.#all++;
    this.#bySubject.set(subject, (this.#bySubject.get(subject) ?? 0) + 1);
  }

  release(subject: string): void {
    this.#all--;
    const left = (this.#bySubject.get(subject) ?? 1) - 1;
    if (left > 0) this.#bySubject.set(subject, left);
    else this.#bySubject.delete(subject);
  }
}

/** Counts streams that are held open. */
export class StreamCount {
  #open = 0;

  /** @throws UpstreamFailure `overload` */
  take(): void {
    if (this.#open >= MAX_STREAMS) throw new UpstreamFailure('overload', `${this.#open} streams are held open`);
    this.#open++;
  }

  give(): void {
    this.#open--;
  }
}
