import type { Caller } from '../../contract/caller.ts';
import { Refusal, type RefusalCode } from '../../contract/refusal.ts';
import type { Admitted, Framed, Subject } from '../../contract/tool-call.ts';
import { type Filter, writeFilter } from './filter.ts';
import { acknowledged, ended, type ListKind, listChanged, taskChanged, updated } from './messages.ts';
import { runAt } from './run-at.ts';
import { type Watched, watchedAs } from './watch.ts';
import { Watcher, type WatcherDeps } from './watcher.ts';

/** Refusals that say: not this resource, or not now. Any other ends the request. */
const ABOUT_THE_RESOURCE: ReadonlySet<RefusalCode> = new Set([
  ...(['unknown', 'unknown-resource', 'policy', 'validation', 'params'] as const),
  ...(['upstream', 'isolation', 'size', 'overload'] as const),
]);

/** Tells of a task, now and at each change; undefined: there is none of that id for whoever asks. */
export type WatchTask = (
  call: Framed,
  id: string,
  tell: (params: string) => void,
) => Promise<{ now(): void; stop(): void } | undefined>;

export interface ListenerDeps extends WatcherDeps {
  readonly watchTask: WatchTask;
}

/** One stream of `subscriptions/listen`. */
export class Listener {
  readonly #watchTask: WatchTask;
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

  constructor(deps: ListenerDeps, call: Framed, caller: Caller, asked: Filter) {
    this.#watchTask = deps.watchTask;
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
    const tasks = new Map<string, NonNullable<Awaited<ReturnType<WatchTask>>>>();
    const cancel = runAt(this.#clock, this.#call.until, () => this.end());
    try {
      const uris = await this.#watch(admit, over);
      for (const id of this.#asked.taskIds) {
        const task = await this.#watchTask(this.#call, id, (params) => this.#tell(taskChanged(params, this.#id)));
        if (task !== undefined) tasks.set(id, task);
      }
      const honoured = { lists: this.#asked.lists, uris, taskIds: [...tasks.keys()] };
      if (over.aborted) return ended(this.#id);
      this.#caller.notify(acknowledged(writeFilter(honoured), this.#id));
      this.#isAcknowledged = true;
      // What happened before it was listened to.
      for (const { now } of tasks.values()) now();
      // A stream on which nothing can come is none.
      if (honoured.lists.size > 0 || uris.length > 0 || tasks.size > 0) await aborted(over);
      return ended(this.#id);
    } finally {
      cancel();
      this.#isAcknowledged = false;
      this.#watcher.close();
      for (const { stop } of tasks.values()) stop();
    }
  }

  changed(kind: ListKind): void {
    if (this.#asked.lists.has(kind)) this.#tell(listChanged(kind, this.#id));
  }

  review(): Promise<void> {
    return this.#watcher.review();
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
      byServer.set(server, [...(byServer.get(server) ?? []), watchedAs(admitted, uri)]);
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
