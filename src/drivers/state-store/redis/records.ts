import type { Redis } from 'ioredis';
import { type Kept, RECORD_LIFE, type Records } from '../../../contract/state-store.ts';
import type { Seals } from './seals.ts';
import type { Shared } from './shared.ts';

/** Replaces what is there where it is what the writer has seen. KEYS: record. ARGV: that, the new one, milliseconds. */
const REPLACE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/** Records in Redis, sealed before they leave this process. */
export class RedisRecords implements Records {
  readonly #redis: Redis;
  readonly #use: Shared['use'];
  readonly #name: (name: string) => string;
  readonly #seals: Seals;

  constructor(redis: Redis, use: Shared['use'], name: (name: string) => string, seals: Seals) {
    this.#redis = redis;
    this.#use = use;
    this.#name = name;
    this.#seals = seals;
  }

  async read(kind: string, id: string): Promise<Kept | undefined> {
    const seen = await this.#use(() => this.#redis.get(this.#key(kind, id)));
    const text = seen === null ? undefined : this.#seals.open(kind, id, seen);
    return seen === null || text === undefined ? undefined : { text, seen };
  }

  async write(kind: string, id: string, text: string, ttl: number, over?: Kept | null): Promise<boolean> {
    if (!(ttl > 0 && ttl <= RECORD_LIFE)) throw new RangeError(`a record of ${ttl} ms`);
    const [key, sealed, life] = [this.#key(kind, id), this.#seals.seal(kind, id, text), Math.ceil(ttl)];
    return this.#use(async () => {
      if (over === null) return (await this.#redis.set(key, sealed, 'PX', life, 'NX')) === 'OK';
      if (over !== undefined) return (await this.#redis.eval(REPLACE, 1, key, over.seen, sealed, life)) === 1;
      return (await this.#redis.set(key, sealed, 'PX', life)) === 'OK';
    });
  }

  async remove(kind: string, id: string): Promise<void> {
    await this.#use(() => this.#redis.del(this.#key(kind, id)));
  }

  #key(kind: string, id: string): string {
    return `innerkeep:record:${this.#name(JSON.stringify([kind, id]))}`;
  }
}
