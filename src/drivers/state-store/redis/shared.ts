import { randomUUID } from 'node:crypto';
import { StateUnavailable } from '../../../contract/state-store.ts';
import { Presence, type StoreEvent } from './presence.ts';
import type { Reply, Run, ScriptName } from './scripts.ts';

/** One hash tag: a script's keys must lie together in a cluster. */
export const PREFIX = '{innerkeep}';
const CLOCK = `${PREFIX}clock`;
const HOLDERS = `${PREFIX}holders`;

/** Keys that one script gives back to the store. */
export const CHUNK = 1000;

const TICK = 250;
/** Milliseconds without a tick after which a holder counts as dead. */
const LEASE = 3000;
/** Milliseconds that an empty store waits for what its gateways still know: until the last has tried again to reach it, and some ticks. */
const FILL = 2500;

export interface SharedSettings {
  /** A wall clock to take for the server's own. */
  readonly wall?: () => number;
  readonly fill?: number;
  /** The store is away, or back. */
  readonly told?: (event: StoreEvent) => void;
}

/**
 * The store as all gateways have it in common: its clock, its epoch (one that was emptied begins another), who holds something
 * in it, and whether it is there. What a gateway knows, it gives back before anything is counted in a new epoch, and
 * whenever the store was away: another server may be in its place, which has not heard the last of it.
 */
export class Shared {
  readonly holder = randomUUID();
  readonly #run: Run;
  readonly #settings: SharedSettings;
  readonly #presence: Presence;
  readonly #restorers: (() => Promise<void>)[] = [];
  readonly #pending: (() => Promise<void>)[] = [];
  readonly #timer: NodeJS.Timeout;
  #epoch = '';
  #restoring: Promise<void> | undefined;
  #ticking: Promise<boolean> | undefined;

  constructor(run: Run, settings: SharedSettings) {
    this.#run = run;
    this.#settings = settings;
    this.#presence = new Presence(settings.told ?? (() => undefined));
    this.#timer = setInterval(() => void this.tick().catch(() => undefined), TICK);
    this.#timer.unref();
  }

  /** @param restore gives the store what it may have lost @param send what waits for it */
  join(restore: () => Promise<void>, send: () => Promise<void> = async () => undefined): void {
    this.#restorers.push(restore);
    this.#pending.push(send);
  }

  get isAway(): boolean {
    return this.#presence.isAway;
  }

  /** Resolves when the store is there. @throws StateUnavailable */
  demand(): Promise<void> {
    return this.#presence.demand();
  }

  /** Does something else with the store. @throws StateUnavailable */
  async use<T>(work: () => Promise<T>): Promise<T> {
    await this.demand();
    try {
      return await work();
    } catch (error) {
      if (!isOfOneKey(error)) this.#failed(error);
      throw error;
    }
  }

  /** Runs a script, after what was lost has been restored. @throws StateUnavailable, or the library's own error */
  async ask(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    try {
      let reply = await this.#tell(name, keys, args);
      if (reply[0] === 'epoch') {
        await this.#restoreAll();
        reply = await this.#tell(name, keys, args);
      }
      if (reply[0] === 'epoch' || reply[0] === 'filling')
        throw new StateUnavailable('the store was emptied, and its gateways are filling it');
      return reply;
    } catch (error) {
      if (name === 'tick' || !isOfOneKey(error)) this.#failed(error);
      throw error;
    }
  }

  /** Gives back something that the store may have lost. @throws StateUnavailable, where it does not take it */
  async restore(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<void> {
    const [kind] = await this.#tell(name, keys, args);
    if (kind === 'epoch') throw new StateUnavailable('the store was emptied again');
  }

  #tell(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    return this.#run(name, [CLOCK, ...keys], this.#settings.wall?.() ?? '', this.#epoch, ...args);
  }

  #failed(error: unknown): void {
    this.#epoch = '';
    this.#presence.failed(error instanceof Error ? error.message : String(error));
  }

  /** Moves the store's clock, lives, and sends what waits; one at a time. Tells whether calls can be let in. */
  tick(): Promise<boolean> {
    this.#ticking ??= this.#tick().finally(() => {
      this.#ticking = undefined;
    });
    return this.#ticking;
  }

  /** Resolves when the store has been given the time to know what its gateways know. */
  async ready(): Promise<void> {
    while (!(await this.tick())) await new Promise((resolve) => setTimeout(resolve, TICK));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#presence.close();
  }

  async #tick(): Promise<boolean> {
    const [, ready] = await this.ask('tick', [HOLDERS], [this.holder, LEASE]);
    if (ready !== 1) {
      this.#presence.failed('the store was emptied, and its gateways are filling it');
      return false;
    }
    this.#presence.found();
    await Promise.all(this.#pending.map((send) => send()));
    return true;
  }

  #restoreAll(): Promise<void> {
    this.#restoring ??= this.#begin().finally(() => {
      this.#restoring = undefined;
    });
    return this.#restoring;
  }

  async #begin(): Promise<void> {
    const begun = await this.#run(
      'begin',
      [CLOCK],
      this.#settings.wall?.() ?? '',
      randomUUID(),
      this.#settings.fill ?? FILL,
    );
    this.#epoch = String(begun[0]);
    await Promise.all(this.#restorers.map((restore) => restore()));
  }
}

/** What a key has in it is not what we put there: that is no fault of the whole store's. */
function isOfOneKey(error: unknown): boolean {
  const cause = error instanceof StateUnavailable ? error.cause : error;
  return cause instanceof Error && cause.name === 'ReplyError' && /^(WRONGTYPE|ERR) /.test(cause.message);
}
