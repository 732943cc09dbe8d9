import type { Caller } from '../../contract/caller.ts';
import { Refusal, type RefusalCode } from '../../contract/refusal.ts';
import type { Admitted, Framed, Subject } from '../../contract/tool-call.ts';
import { type Filter, writeFilter } from './filter.ts';
import { acknowledged, ended, type ListKind, listChanged, updated } from './messages.ts';
import { runAt } from './run-at.ts';
import { type Watched, watchedAs } from './watch.ts';
import { Watcher, type WatcherDeps } from './watcher.ts';

/** Refusals that say: not this resource, or not now. Any other ends the request. */
const ABOUT_THE_RESOURCE: ReadonlySet<RefusalCode> = new Set([
  ...(['unknown', 'unknown-resource', 'policy', 'validation', 'params'] as const),
  ...(['upstream', 'isolation', 'size', 'overload'] as const),
]);

/** One stream of `subscriptions/listen`. */
export class Listener {
  readonly server: string | undefined;
  readonly #call: Framed;
  readonly #caller: Caller;
  readonly #asked: Filter;
  readonly #clock: WatcherDeps['clock'];
  readonly #watcher: Watcher;
  readonly #end = new AbortController();
  /** Raw JSON: the request's id. */
  readonly #id: string;
  #isAcknowledged = false;

  constructor(deps: WatcherDeps, call: Framed, caller: Caller, asked: Filter) {
    this.server = call.arrived.server;
    this.#call = call;
    this.#caller = caller;
    this.#asked = asked;
    this.#clock = deps.clock;
    this.#id = call.frame.id ?? 'null';
    this.#watcher = new Watcher(deps, call.subject, {
      updated: (uri, params) => this.#tell(updated(params, uri, this.#id)),
      resourcesChanged: () => this.changed('resources'),
    });
  }

  get subject(): Subject {
    return this.#call.subject;
  }

  /** Gives the raw result when it is over. @throws Refusal */
  async run(admit: (uri: string) => Admitted | Promise<Admitted>): Promise<string> {
    const { signal } = this.#caller;
    const over = AbortSignal.any([signal, this.#end.signal]);
    const cancel = runAt(this.#clock, this.#call.until, () => this.end());
    try {
      const uris = await this.#watch(admit, over);
      const honoured = { lists: this.#asked.lists, uris };
      if (over.aborted) return ended(this.#id);
      this.#caller.notify(acknowledged(writeFilter(honoured), this.#id));
      this.#isAcknowledged = true;
      // A stream on which nothing can come is none.
      if (honoured.lists.size > 0 || uris.length > 0) await aborted(over);
      return ended(this.#id);
    } finally {
      cancel();
      this.#isAcknowledged = false;
      this.#watcher.close();
    }
  }

  changed(kind: ListKind): void {
    if (this.#asked.lists.has(kind)) this.#tell(listChanged(kind, this.#id));
  }

  review(): void {
    this.#watcher.review();
  }

  end(): void {
    this.#end.abort();
  }

  #tell(message: string): void {
    if (this.#isAcknowledged) this.#caller.notify(message);
  }

  /** The resources that are watched now, as the client names them. */
  async #watch(admit: (uri: string) => Admitted | Promise<Admitted>, signal: AbortSignal): Promise<readonly string[]> {
    const byServer = new Map<string, Watched[]>();
    for (const uri of this.#asked.uris) {
      const admitted = await unlessRefused(() => admit(uri));
      if (admitted === undefined) continue;
      const { server } = admitted.target;
      byServer.set(server, [...(byServer.get(server) ?? []), watchedAs(admitted.target, uri)]);
    }
    const added = [...byServer].map(async ([server, watched]) => {
      const done = await unlessRefused(() => this.#watcher.add(server, watched, signal).then(() => true));
      return done ? watched : [];
    });
    const watched = new Set((await Promise.all(added)).flat().map(({ uri }) => uri));
    return this.#asked.uris.filter((uri) => watched.has(uri));
  }
}

/** Undefined where a resource alone was refused. */
async function unlessRefused<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal && ABOUT_THE_RESOURCE.has(error.code)) return undefined;
    throw error;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
