import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Soon, when } from '../../contract/soon.ts';
import { MalformedJson, parseStrict } from '../../contract/strict-json.ts';
import type { Subject, Target } from '../../contract/tool-call.ts';
import type { Listen } from './listening.ts';
import { Pacer } from './pacer.ts';
import { Watch, type Watched } from './watch.ts';

export interface WatcherDeps {
  readonly listen: Listen;
  readonly clock: Clock;
  /** Replaces the secrets in a JSON text. */
  readonly redact: (json: string) => string;
  /** Whether the subject may be told of that resource now. */
  readonly permits: (subject: Subject, target: Target) => Soon<boolean>;
}

/** Where news goes: a session, or the stream of a `subscriptions/listen`. */
export interface Outlet {
  /** @param params raw JSON, sanitized; its `uri` is the server's own */
  updated(uri: string, params: string): void;
  resourcesChanged(): void;
}

/** Resources of one session, or of one `subscriptions/listen`. */
export const MAX_URIS = 64;

interface Update {
  readonly watched: Watched;
  readonly params: string;
}

/** Everything that one client watches, at whatever servers. */
export class Watcher {
  /** Of the newest request. */
  subject: Subject;
  readonly #deps: WatcherDeps;
  readonly #outlet: Outlet;
  readonly #pacer: Pacer<Update>;
  readonly #lists: Pacer<true>;
  readonly #watches = new Map<string, Watch>();
  /** Additions that wait for their server. */
  #pending = 0;

  constructor(deps: WatcherDeps, subject: Subject, outlet: Outlet) {
    this.#deps = deps;
    this.subject = subject;
    this.#outlet = outlet;
    this.#pacer = new Pacer(deps.clock, (update) => this.#updated(update));
    this.#lists = new Pacer(deps.clock, () => outlet.resourcesChanged());
  }

  /**
   * Watches resources of one server; resolves once it has accepted them.
   * @throws Refusal; then nothing has changed
   */
  async add(server: string, watched: readonly Watched[], signal: AbortSignal): Promise<void> {
    const watch = this.#watches.get(server) ?? this.#open(server);
    const fresh = watched.filter(({ own }) => !watch.has(own));
    const held = [...this.#watches.values()].reduce((sum, { size }) => sum + size, this.#pending);
    if (held + fresh.length > MAX_URIS) throw new Refusal('overload', `more than ${MAX_URIS} resources`);
    this.#pending += fresh.length;
    try {
      await watch.add(watched, signal);
    } finally {
      this.#pending -= fresh.length;
    }
  }

  async remove(server: string, own: string): Promise<void> {
    await this.#watches.get(server)?.remove(own);
  }

  /** Ends what the subject may no more be told of. */
  async review(): Promise<void> {
    for (const watch of this.#watches.values()) {
      for (const { own, target } of [...watch.watched]) {
        if (!(await this.#deps.permits(this.subject, target))) watch.drop(own);
      }
    }
  }

  close(): void {
    this.#pacer.stop();
    this.#lists.stop();
    for (const watch of this.#watches.values()) watch.close();
    this.#watches.clear();
  }

  #open(server: string): Watch {
    const { listen, clock } = this.#deps;
    const watch = new Watch({
      listen,
      clock,
      server,
      subject: this.subject.key,
      updated: (watched, params) => this.#pacer.push(watched.uri, { watched, params }),
      listChanged: () => this.#lists.push('resources', true),
    });
    this.#watches.set(server, watch);
    return watch;
  }

  /** Judged when it is told: what was admitted once may be permitted no more. */
  #updated({ watched: { target, uri }, params }: Update): void {
    void when(this.#deps.permits(this.subject, target), (may) => {
      if (!may) return;
      const clean = this.#deps.redact(params);
      // A name that became a mark may have made two members one.
      if (clean === params || isStrict(clean)) this.#outlet.updated(uri, clean);
    });
  }
}

function isStrict(json: string): boolean {
  try {
    parseStrict(Buffer.from(json));
    return true;
  } catch (error) {
    if (error instanceof MalformedJson) return false;
    throw error;
  }
}
