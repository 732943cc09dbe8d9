import type { Clock } from '../../contract/clock.ts';
import { fromStore } from '../../contract/from-store.ts';
import type { JsonObject } from '../../contract/json.ts';
import type { Kept, Records } from '../../contract/state-store.ts';
import type { Arrived, Revision, Subject } from '../../contract/tool-call.ts';
import type { Bearer } from './carrier.ts';

/** What replicas know of each other's sessions: enough to go on with one whose replica has died. */
export interface SessionRecord {
  /** The replica that has it. */
  readonly home: string;
  /** As the zones name it to each other. */
  readonly key: string;
  readonly revision: Revision;
  readonly server?: string;
  readonly transport: Arrived['transport'];
  /** Of the newest request, and when its token ends. */
  readonly subject: Subject;
  readonly until: number;
  readonly capabilities: JsonObject;
  readonly logLevel?: string;
  /** What it is told of is known to its home alone. */
  readonly isSubscribed?: boolean;
}

/** A session that is here, as the directory sees it. */
export interface Listed {
  readonly id: string;
  /** Milliseconds since the epoch at which it ends if nothing happens to it. */
  readonly due: number;
  readonly record: Omit<SessionRecord, 'home'>;
}

export interface DirectoryDeps {
  readonly clock: Clock;
  readonly records: Records;
  /** This replica. */
  readonly me: string;
  /** The sessions that are here. */
  readonly all: () => Iterable<Listed>;
  /** Whether it has not ended here meanwhile. */
  readonly has: (id: string) => boolean;
  /** Another replica has taken it up. */
  readonly taken: (id: string) => void;
}

const KIND = 'session';
/** Milliseconds between two looks at which sessions were used, and so live longer than was written down. */
const RENEWAL = 30_000;
/** The same, where it could not be written down. */
const AGAIN = 500;

/** Where sessions live, in the store that all replicas share: under names that tell nothing, for as long as they live. */
export class Directory {
  readonly #deps: DirectoryDeps;
  /** Of each session that is here, the end that was written down. */
  readonly #written = new Map<string, number>();
  /** Those that have ended, and may still be written down. */
  readonly #ended = new Set<string>();
  /** Since the last look began. */
  #isForgotten = false;
  #stop: (() => void) | undefined;

  constructor(deps: DirectoryDeps) {
    this.#deps = deps;
    this.#later(RENEWAL);
  }

  /** Writes down that it is here, and what it is now. @throws Refusal unavailable */
  async announce(session: Listed): Promise<void> {
    await fromStore('sessions', () => this.#write(session));
  }

  /** Ended, here and so everywhere. Resolves once nobody can find it, or it is known that that must wait. */
  async remove(id: string): Promise<void> {
    this.#written.delete(id);
    this.#ended.add(id);
    try {
      await this.#deps.records.remove(KIND, id);
      this.#ended.delete(id);
    } catch {
      // Whoever finds it comes here, where it has ended; it is tried again.
    }
  }

  /**
   * The replica that has the session; undefined: it is nowhere, or not for whoever asks.
   * @throws Refusal unavailable
   */
  async homeOf(id: string, call: Bearer): Promise<string | undefined> {
    const found = await fromStore('sessions', () => this.#deps.records.read(KIND, id));
    const record = found && recordOf(found);
    return record === undefined || record.home === this.#deps.me || isForeign(record, call) ? undefined : record.home;
  }

  /**
   * Takes up a session whose replica is gone, unless somebody else does.
   * @returns what it was; undefined: it is not to be had
   * @throws Refusal unavailable
   */
  async takeUp(id: string, call: Bearer, from: string): Promise<SessionRecord | undefined> {
    return fromStore('sessions', async () => {
      const found = await this.#deps.records.read(KIND, id);
      const record = found && recordOf(found);
      if (found === undefined || record === undefined || record.home !== from || isForeign(record, call))
        return undefined;
      // HTTP+SSE has one stream, which was there, and cannot be resumed. A client that would hear nothing any more has to know.
      if (record.transport === 'sse' || record.isSubscribed) {
        await this.#deps.records.remove(KIND, id);
        return undefined;
      }
      const text = JSON.stringify({ ...record, home: this.#deps.me });
      return (await this.#deps.records.write(KIND, id, text, RENEWAL * 2, found)) ? record : undefined;
    });
  }

  /** The store was away, and may have lost what was written down: everything is, once more. */
  forget(): void {
    this.#written.clear();
    this.#isForgotten = true;
    this.#later(AGAIN);
  }

  /** Writes down how long those live that were used, and what could not be written down before. */
  async #renew(): Promise<void> {
    let isMissing = false;
    this.#isForgotten = false;
    for (const id of [...this.#ended]) await this.remove(id);
    for (const session of [...this.#deps.all()]) {
      if (this.#written.get(session.id) === session.due) continue;
      await this.#write(session).catch(() => {
        isMissing = true;
      });
    }
    this.#later(isMissing || this.#isForgotten || this.#ended.size > 0 ? AGAIN : RENEWAL);
  }

  /** @throws StateUnavailable */
  async #write({ id, due, record }: Listed): Promise<void> {
    const { clock, records, me, has, taken } = this.#deps;
    const found = await records.read(KIND, id);
    if (found !== undefined && recordOf(found).home !== me) return taken(id);
    const text = JSON.stringify({ ...record, home: me });
    // In between, another one may have taken it for dead; then the next look finds that.
    if (!(await records.write(KIND, id, text, Math.max(1, due - clock.now()), found ?? null))) return;
    if (has(id)) this.#written.set(id, due);
    else await this.remove(id);
  }

  #later(ms: number): void {
    this.#stop?.();
    this.#stop = this.#deps.clock.setTimer(() => void this.#renew(), ms);
  }
}

function recordOf({ text }: Kept): SessionRecord {
  return JSON.parse(text);
}

function isForeign({ subject, server, transport }: SessionRecord, call: Bearer): boolean {
  const { arrived } = call;
  const isOwn = subject.key === call.subject.key && subject.tenant === call.subject.tenant;
  return !isOwn || server !== arrived.server || transport !== arrived.transport;
}
