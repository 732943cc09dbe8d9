import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { Caller, CallerSession } from '../../contract/caller.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Soon } from '../../contract/soon.ts';
import { declaresTasks, TASKS_REQUIRED } from '../../contract/task.ts';
import type { Admitted, Framed, Subject, Target } from '../../contract/tool-call.ts';
import { readFilter } from './filter.ts';
import { Listener, type ListenerDeps } from './listener.ts';
import { type ListKind, listChanged, updated } from './messages.ts';
import { watchedAs } from './watch.ts';
import { MAX_URIS, Watcher } from './watcher.ts';

/** What of one bundle the subscriptions need. */
export interface View {
  /** A digest of each list that the subject sees at `/mcp` or at `/mcp/SERVER`. */
  readonly lists: (subject: Subject, server: string | undefined) => Promise<Readonly<Record<ListKind, string>>>;
  /** Whether the subject may be told of that resource. */
  readonly permits: (subject: Subject, target: Target) => Soon<boolean>;
}

export interface SubscriptionsDeps extends Omit<ListenerDeps, 'permits'> {
  /** For faults of our own. */
  readonly fault: (error: unknown) => void;
}

/** A session that is told of changes; the same object as its calls' `caller.session`. */
export type Told = Pick<CallerSession, 'notify'> & { readonly subject: Subject; readonly server: string | undefined };

/** Streams of `subscriptions/listen` of one subject. */
const MAX_LISTENERS = 16;

/** Who is told of what. Outlives bundles: what a client has subscribed to stays, as far as the new bundle permits it. */
export class Subscriptions {
  readonly #deps: SubscriptionsDeps;
  readonly #sessions = new Map<object, Watcher>();
  readonly #listeners = new Set<Listener>();
  #view: View | undefined;
  #isRevoked: (subject: Subject) => boolean = () => false;
  #telling: Promise<void> = Promise.resolve();

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps;
  }

  /**
   * `resources/subscribe` (MCP 2025-11-25, Resources): gives the raw result once the server has accepted it.
   * @throws Refusal params without a session, overload, and what the server's listening ends with
   */
  async subscribe(call: Admitted, caller: Caller): Promise<string> {
    const { session } = caller;
    if (session === undefined) throw new Refusal('params', 'a subscription without a session');
    if (session.ended.aborted) throw new Refusal('unknown-session', 'it has ended');
    const watcher = this.#sessions.get(session) ?? this.#watcherOf(session, call.subject);
    watcher.subject = call.subject;
    const watched = watchedAs(call, call.frame.params?.uri);
    await watcher.add(call.target.server, [watched], caller.signal);
    return '{}';
  }

  /** `resources/unsubscribe`; what is not subscribed to is none the less so after it. */
  async unsubscribe(call: Admitted, { session }: Caller): Promise<string> {
    if (session === undefined) throw new Refusal('params', 'a subscription without a session');
    const { own } = watchedAs(call, call.frame.params?.uri);
    await this.#sessions.get(session)?.remove(call.target.server, own);
    return '{}';
  }

  /**
   * `subscriptions/listen` (MCP 2026-07-28): an acknowledgement of what is honoured, then the changes, until the client
   * goes or its token ends; then gives the raw result. Resources that are not there and those that the subject may not
   * watch are left out of the acknowledgement alike.
   * @param admit the way of one resource, named as the client names it, through the stages up to the admission
   * @throws Refusal unauthenticated, params, overload, and what `admit` throws that is not about the resource
   */
  async listen(call: Framed, caller: Caller, admit: (uri: string) => Admitted | Promise<Admitted>): Promise<string> {
    // Its token may have been revoked while the record of it was written.
    if (this.#isRevoked(call.subject)) throw new Refusal('unauthenticated', 'revoked');
    const filter = readFilter(call.frame.params, MAX_URIS);
    if (filter.taskIds.length > 0 && !declaresTasks(caller.capabilities))
      throw new Refusal('missing-capability', 'taskIds without the tasks extension', TASKS_REQUIRED);
    const own = [...this.#listeners].filter(({ subject }) => subject.key === call.subject.key);
    if (own.length >= MAX_LISTENERS) throw new Refusal('overload', `${MAX_LISTENERS} streams of one subject`);
    const listener = new Listener(this.#watcherDeps(), call, caller, filter);
    this.#listeners.add(listener);
    try {
      return await listener.run(admit);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  /**
   * A new bundle is in force: each client is told which of its lists has changed, if any has, and what it may no more
   * watch ends.
   * @param sessions those that are open now
   * @returns settled when all have been told
   */
  bundleApplied(view: View, sessions: Iterable<Told>): Promise<void> {
    const before = this.#view;
    this.#view = view;
    const told = [...sessions];
    const listeners = [...this.#listeners];
    this.#telling = this.#telling.then(async () => {
      for (const session of told) {
        await yieldToOthers();
        const changed = () => this.#changes(before, view, session.subject, session.server);
        await this.#guarded(async () => {
          for (const kind of await changed()) session.notify(listChanged(kind, undefined));
          const watcher = this.#sessions.get(session);
          if (watcher === undefined) return;
          watcher.subject = session.subject;
          await watcher.review();
        });
      }
      for (const listener of listeners) {
        await yieldToOthers();
        await this.#guarded(async () => {
          const changed = await this.#changes(before, view, listener.subject, listener.server);
          for (const kind of changed) listener.changed(kind);
          await listener.review();
        });
      }
    });
    return this.#telling;
  }

  /** Ends the streams of these subjects, or with these tokens. (A session's subscriptions end with the session.) */
  revoke(which: (subject: Subject) => boolean): void {
    this.#isRevoked = which;
    for (const listener of [...this.#listeners]) if (which(listener.subject)) listener.end();
  }

  close(): void {
    for (const listener of [...this.#listeners]) listener.end();
    for (const watcher of this.#sessions.values()) watcher.close();
    this.#sessions.clear();
  }

  #watcherOf(session: CallerSession, subject: Subject): Watcher {
    const watcher = new Watcher(this.#watcherDeps(), subject, {
      updated: (uri, params) => session.notify(updated(params, uri, undefined)),
      resourcesChanged: () => session.notify(listChanged('resources', undefined)),
    });
    this.#sessions.set(session, watcher);
    const end = (): void => {
      watcher.close();
      this.#sessions.delete(session);
    };
    session.ended.addEventListener('abort', end, { once: true });
    return watcher;
  }

  #watcherDeps(): ListenerDeps {
    const permits: View['permits'] = (subject, target) => this.#view?.permits(subject, target) ?? false;
    return { ...this.#deps, permits };
  }

  async #changes(
    before: View | undefined,
    now: View,
    subject: Subject,
    server: string | undefined,
  ): Promise<readonly ListKind[]> {
    if (before === undefined) return [];
    const [old, current] = await Promise.all([before.lists(subject, server), now.lists(subject, server)]);
    return (['tools', 'prompts', 'resources'] as const).filter((kind) => old[kind] !== current[kind]);
  }

  /** What goes wrong with one client is no other's concern. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#deps.fault(error);
    }
  }
}
