import { isDeepStrictEqual } from 'node:util';
import type { GatewayServer, RemoteServer } from '../contract/bundle.ts';
import { callersUpstream } from '../runtime/upstream/http/by-caller.ts';
import { remoteUpstream } from '../runtime/upstream/http.ts';
import type { Upstream } from '../runtime/upstream/upstream.ts';

interface Open {
  readonly settings: RemoteServer;
  /** Each caller speaks to it with a token of his own. */
  readonly byCaller: boolean;
  readonly upstream: Upstream;
}

/**
 * The remote servers of the bundle in force. Zone 1 speaks to them itself: nothing of theirs runs on this machine, and
 * the way through zone 2 would cost every call two more writes between processes. Connections and sessions outlive a
 * bundle that does not change their server.
 */
export class Remotes {
  #open: ReadonlyMap<string, Open> = new Map();

  /**
   * The servers of a bundle; until `swap` is called, those of the bundle before stay.
   * @throws Error when an address is not acceptable
   */
  prepare(servers: readonly GatewayServer[]): { readonly upstreams: ReadonlyMap<string, Upstream>; swap(): void } {
    const next = new Map<string, Open>();
    for (const { remote, exchanged } of servers) {
      if (remote === undefined) continue;
      const byCaller = exchanged !== undefined;
      const known = this.#open.get(remote.name);
      const same = known?.byCaller === byCaller && isDeepStrictEqual(known.settings, remote);
      const open = byCaller ? callersUpstream : remoteUpstream;
      next.set(remote.name, same ? known : { settings: remote, byCaller, upstream: open(remote, Date.now) });
    }
    return {
      upstreams: new Map([...next].map(([name, { upstream }]) => [name, upstream])),
      swap: () => this.#swap(next),
    };
  }

  #swap(next: ReadonlyMap<string, Open>): void {
    for (const [name, old] of this.#open) {
      // Calls that began with the bundle before end by it.
      if (next.get(name) !== old) setTimeout(() => void old.upstream.close(), old.settings.deadline).unref();
    }
    this.#open = next;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ upstream }) => upstream.close()));
  }
}
