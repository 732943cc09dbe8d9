import { z } from 'zod';

/** The store does not answer, or not as its API says; the message is for the operator. */
export class RelationsFault extends Error {}

/** One request to the store. @throws RelationsFault */
export type AskStore = (path: string, body?: object) => Promise<unknown>;

/** A tuple of the store's: `user` has `relation` to `object`. None is longer in OpenFGA, and so many have a bound together. */
const key = z.object({
  user: z.string().max(512),
  relation: z.string().max(50),
  object: z.string().max(256),
  condition: z.unknown().optional(),
});
const read = z.object({ tuples: z.array(z.object({ key })), continuation_token: z.string() });
const changes = z.object({
  changes: z.array(
    z.object({
      tuple_key: key,
      operation: z.literal(['TUPLE_OPERATION_WRITE', 'TUPLE_OPERATION_DELETE']),
    }),
  ),
  continuation_token: z.string(),
});
export type Tuple = z.output<typeof key>;

/** Tuples that are read; a bundle has to hold them. */
const MAX_TUPLES = 200_000;
const PAGE = 100;
/** Answers of one reading, so that it has an end whatever the store says. */
const MAX_PAGES = 10_000;
/** Milliseconds by which two clocks may differ: changes are followed from before the reading on. */
const SKEW = 60_000;

/** The tuples of one store, and what becomes of them (OpenFGA HTTP API: Read, ReadChanges). */
export class OpenFgaStore {
  readonly #ask: AskStore;
  readonly #store: string;
  readonly #now: () => number;
  #tuples = new Map<string, Tuple>();
  #token = '';
  #from = '';

  constructor(ask: AskStore, store: string, now: () => number) {
    this.#ask = ask;
    this.#store = store;
    this.#now = now;
  }

  get tuples(): Iterable<Tuple> {
    return this.#tuples.values();
  }

  /** Reads all of them. @throws RelationsFault */
  async read(): Promise<void> {
    const from = new Date(this.#now() - SKEW).toISOString();
    const found = new Map<string, Tuple>();
    let token = '';
    let pages = 0;
    do {
      if (++pages > MAX_PAGES) throw new RelationsFault('its reading has no end');
      const asked = { page_size: PAGE, ...(token !== '' && { continuation_token: token }) };
      const page = parsed(read, await this.#ask(`/stores/${this.#store}/read`, asked));
      for (const { key } of page.tuples) found.set(nameOf(key), key);
      if (found.size > MAX_TUPLES) throw new RelationsFault(`more than ${MAX_TUPLES} tuples`);
      token = page.continuation_token;
    } while (token !== '');
    [this.#tuples, this.#token, this.#from] = [found, '', from];
  }

  /**
   * Takes what has changed since; what it had before the reading may come again, and ends as it is.
   * @returns whether there was anything
   * @throws RelationsFault
   */
  async follow(): Promise<boolean> {
    const now = new Map(this.#tuples);
    let token = this.#token;
    let isOther = false;
    for (let pages = 1; ; pages++) {
      if (pages > MAX_PAGES) throw new RelationsFault('its changes have no end');
      const about =
        token === ''
          ? `start_time=${encodeURIComponent(this.#from)}`
          : `continuation_token=${encodeURIComponent(token)}`;
      const page = parsed(changes, await this.#ask(`/stores/${this.#store}/changes?page_size=${PAGE}&${about}`));
      isOther ||= page.changes.length > 0;
      for (const { tuple_key, operation } of page.changes)
        if (operation === 'TUPLE_OPERATION_WRITE') now.set(nameOf(tuple_key), tuple_key);
        else now.delete(nameOf(tuple_key));
      if (now.size > MAX_TUPLES) throw new RelationsFault(`more than ${MAX_TUPLES} tuples`);
      token = page.continuation_token;
      if (page.changes.length === 0) break;
    }
    [this.#tuples, this.#token] = [now, token];
    return isOther;
  }
}

function nameOf({ user, relation, object }: Tuple): string {
  return JSON.stringify([object, relation, user]);
}

function parsed<T>(shape: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = shape.safeParse(value);
  if (!success) throw new RelationsFault(`not what the API says: ${z.prettifyError(error).slice(0, 500)}`);
  return data;
}
