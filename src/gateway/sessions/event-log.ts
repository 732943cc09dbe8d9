import type { SessionLimits } from './limits.ts';

/** Whose events are kept; told when one of them is kept no more. */
export interface Source {
  dropped(): void;
}

export interface KeptEvent {
  readonly source: Source;
  /** Its place in its source, from 1 on. */
  readonly seq: number;
  readonly data: string;
  readonly bytes: number;
}

/** What an event takes beside its data, so that many small ones count as well. */
const OVERHEAD = 128;

interface Entry extends KeptEvent {
  readonly log: EventLog;
  /** Its neighbours among the events of all sessions. */
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** What the logs of all sessions hold together, in a list: in a set, the oldest hides behind all that was deleted. */
export class EventStore {
  readonly limits: SessionLimits;
  /** Logs that hold something. */
  logs = 0;
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  #bytes = 0;

  constructor(limits: SessionLimits) {
    this.limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that each log may hold where there is room for no more. */
  get share(): number {
    return this.limits.totalBytes / Math.max(this.logs, 1);
  }

  add(entry: Entry): void {
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#bytes += entry.bytes;
  }

  remove(entry: Entry): void {
    const { older, newer } = entry;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    this.#bytes -= entry.bytes;
  }

  /** The oldest of all, for where a session has nothing of its own to give up. */
  dropOldest(): void {
    this.#oldest?.log.drop(this.#oldest);
  }
}

/**
 * The events of one session that a client can still ask for again. Whose events take most makes room, the oldest first:
 * what a server floods one call with displaces no other call's answer.
 */
export class EventLog {
  readonly #store: EventStore;
  readonly #entries = new Set<Entry>();
  #bytes = 0;

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** @returns whether it is kept: what is larger than a whole log is not, and displaces nothing */
  add(source: Source, seq: number, data: string): boolean {
    const { events, bytes: most, totalBytes } = this.#store.limits;
    const bytes = Buffer.byteLength(data) + OVERHEAD;
    if (bytes > most || bytes > totalBytes) return false;
    while (this.#entries.size >= events) this.#dropOf(() => 1);
    while (this.#bytes + bytes > most) this.#dropOf((entry) => entry.bytes);
    // Who has more than his share gives up his own.
    while (this.#store.bytes + bytes > totalBytes) {
      if (this.#bytes > this.#store.share) this.#dropOf((entry) => entry.bytes);
      else this.#store.dropOldest();
    }
    const entry: Entry = { log: this, source, seq, data, bytes, older: undefined, newer: undefined };
    if (this.#entries.size === 0) this.#store.logs++;
    this.#entries.add(entry);
    this.#bytes += bytes;
    this.#store.add(entry);
    return true;
  }

  /** What came behind `seq` and is still there, in order. */
  after(source: Source, seq: number): readonly KeptEvent[] {
    return [...this.#entries].filter((entry) => entry.source === source && entry.seq > seq);
  }

  drop(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    if (this.#entries.size === 0) this.#store.logs--;
    this.#bytes -= entry.bytes;
    this.#store.remove(entry);
    entry.source.dropped();
  }

  clear(): void {
    for (const entry of this.#entries) this.drop(entry);
  }

  /** Drops the oldest event of the source whose events weigh most together. */
  #dropOf(weight: (entry: Entry) => number): void {
    const sums = new Map<Source, number>();
    for (const entry of this.#entries) sums.set(entry.source, (sums.get(entry.source) ?? 0) + weight(entry));
    const most = Math.max(...sums.values());
    for (const entry of this.#entries) {
      if (sums.get(entry.source) !== most) continue;
      this.drop(entry);
      return;
    }
  }
}
