import { StateUnavailable } from '../../../contract/state-store.ts';
import { CHUNK, PREFIX, type Shared } from './shared.ts';

/** Names that this process remembers to have named, for a store that forgets them; some 100 bytes each. */
const BOUND = 500_000;

/** What is named once. While the store is away nobody is told so: a replay would pass at each gateway. */
export class RedisOnce {
  readonly #shared: Shared;
  readonly #name: (key: string) => string;
  /** Until when, in milliseconds of the process. */
  readonly #known = new Map<string, number>();

  constructor(shared: Shared, name: (key: string) => string) {
    this.#shared = shared;
    this.#name = name;
    shared.join(() => this.#restore());
  }

  async once(key: string, ttl: number): Promise<boolean> {
    if (this.#known.size >= BOUND) this.#forget();
    if (this.#known.size >= BOUND)
      throw new StateUnavailable(`${BOUND} keys are remembered, and none has had its time`);
    await this.#shared.demand();
    const name = `${PREFIX}once:${this.#name(key)}`;
    const until = performance.now() + ttl;
    try {
      const [kind, fresh] = await this.#shared.ask('once', [name], [1, Math.ceil(ttl)]);
      if (kind !== 'named') throw new StateUnavailable(`the store answered ${String(kind)}`);
      if (fresh === 1) this.#known.set(name, until);
      return fresh === 1;
    } catch (error) {
      // It may have been named.
      this.#known.set(name, until);
      throw error;
    }
  }

  #forget(): void {
    const now = performance.now();
    for (const [name, until] of this.#known) if (until <= now) this.#known.delete(name);
  }

  async #restore(): Promise<void> {
    this.#forget();
    const now = performance.now();
    const known = [...this.#known];
    for (let at = 0; at < known.length; at += CHUNK) {
      const part = known.slice(at, at + CHUNK);
      const ttls = part.map(([, until]) => Math.ceil(until - now));
      await this.#shared.restore(
        'once',
        part.map(([name]) => name),
        [0, ...ttls],
      );
    }
  }
}
