import type { Clock } from '../../contract/clock.ts';
import type { Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted, Target } from '../../contract/tool-call.ts';
import { type Listen, type Run, startRun } from './listening.ts';
import { type Change, readChange } from './messages.ts';

/** A resource that is watched: what was admitted, and the name that the client has for it. */
export interface Watched {
  readonly call: Admitted;
  readonly target: Target;
  /** The server's own. */
  readonly own: string;
  readonly uri: string;
}

/** @param uri the name that the client has for it. The stages before have seen to it that both names are strings. */
export function watchedAs(call: Admitted, uri: Json | undefined): Watched {
  const { target } = call;
  const own = target.params.uri;
  if (typeof own !== 'string' || typeof uri !== 'string') throw new Refusal('params', 'no uri');
  return { call, target, own, uri };
}

export interface WatchDeps {
  readonly listen: Listen;
  readonly clock: Clock;
  readonly server: string;
  /** What must not be shared between subjects is keyed by this. */
  readonly subject: string;
  readonly updated: (watched: Watched, params: string) => void;
  readonly listChanged: () => void;
}

/** Milliseconds before a run that was lost is tried again: at first, and at most. */
const FIRST_RETRY = 1_000;
const LAST_RETRY = 60_000;

/**
 * One client's watch over resources of one server: one upstream run, which grows by being followed by a larger one, so
 * that no update falls between the two. A run that is lost is begun again; as it is not known what happened meanwhile,
 * everything then counts as updated.
 */
export class Watch {
  readonly #deps: WatchDeps;
  readonly #ended = new AbortController();
  readonly #wanted = new Map<string, Watched>();
  #run: Run | undefined;
  /** Additions and removals, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #retry = FIRST_RETRY;
  #cancelRetry: (() => void) | undefined;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
  }

  get watched(): Iterable<Watched> {
    return this.#wanted.values();
  }

  get size(): number {
    return this.#wanted.size;
  }

  has(own: string): boolean {
    return this.#wanted.has(own);
  }

  /** Resolves once the server has accepted them. @throws Refusal; then nothing has changed */
  add(watched: readonly Watched[], signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const uris = new Set([...this.#wanted.keys(), ...watched.map(({ own }) => own)]);
      if (this.#run === undefined || !uris.isSubsetOf(this.#run.uris)) {
        this.#follow(await this.#start(uris, watched.at(-1), AbortSignal.any([signal, this.#ended.signal])));
      }
      for (const one of watched) this.#wanted.set(one.own, one);
    });
  }

  remove(own: string): Promise<void> {
    return this.#inTurn(() => Promise.resolve(this.drop(own)));
  }

  /** At once, whatever is on its way. */
  drop(own: string): void {
    this.#wanted.delete(own);
    if (this.#wanted.size === 0) this.#rest();
  }

  close(): void {
    this.#ended.abort();
    this.#wanted.clear();
    this.#rest();
  }

  #rest(): void {
    this.#cancelRetry?.();
    this.#run?.stop();
    this.#run = undefined;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** @param newest in whose call's name it is listened */
  async #start(uris: ReadonlySet<string>, newest: Watched | undefined, signal: AbortSignal): Promise<Run> {
    if (newest === undefined) throw new Refusal('unavailable', 'nothing is watched');
    // Until a run has taken over, the one before it tells.
    const notify = (run: Run, message: string): void => (run === this.#run ? this.#hear(message) : undefined);
    const run = await startRun({ ...this.#deps, call: newest.call, notify }, uris, signal);
    if (!this.#ended.signal.aborted) return run;
    run.stop();
    throw new Refusal('unavailable', 'the caller has gone');
  }

  #follow(run: Run): void {
    const gap = this.#run === undefined;
    this.#rest();
    this.#run = run;
    this.#retry = FIRST_RETRY;
    void run.over.then(() => this.#lost(run));
    if (!gap || this.#wanted.size === 0) return;
    for (const watched of this.watched) this.#deps.updated(watched, JSON.stringify({ uri: watched.own }));
    this.#deps.listChanged();
  }

  #lost(run: Run): void {
    if (run !== this.#run) return;
    this.#run = undefined;
    this.#again();
  }

  #again(): void {
    if (this.#wanted.size === 0) return;
    this.#cancelRetry = this.#deps.clock.setTimer(() => void this.#inTurn(() => this.#restart()), this.#retry);
    this.#retry = Math.min(this.#retry * 2, LAST_RETRY);
  }

  async #restart(): Promise<void> {
    if (this.#run !== undefined || this.#wanted.size === 0) return;
    try {
      const uris = new Set(this.#wanted.keys());
      this.#follow(await this.#start(uris, [...this.watched].at(-1), this.#ended.signal));
    } catch {
      this.#again();
    }
  }

  #hear(message: string): void {
    const change = changeOf(message);
    if (change?.kind === 'list') this.#deps.listChanged();
    const watched = change?.kind === 'updated' ? this.#wanted.get(change.uri) : undefined;
    if (watched !== undefined && change?.kind === 'updated') this.#deps.updated(watched, change.params);
  }
}

function changeOf(message: string): Change | undefined {
  try {
    return readChange(message);
  } catch {
    return undefined;
  }
}
