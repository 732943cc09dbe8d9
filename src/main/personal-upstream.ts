import type { RemoteServer } from '../contract/bundle.ts';
import {
  type AuthorizationDeps,
  PersonalAuthorization,
} from '../control-plane/upstream-authorization/authorization.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { systemResolver } from '../runtime/egress/dial.ts';
import { HttpFailure } from '../runtime/upstream/http/failures.ts';
import { remoteUpstream } from '../runtime/upstream/http.ts';
import type { Upstream } from '../runtime/upstream/upstream.ts';
import { outboundFetch } from './outbound-fetch.ts';

/**
 * A remote server for the one person at the terminal, who is asked to authorize us when the server wants that. Nothing of
 * it is kept: no caller's request ever carries what this person got.
 */
export class PersonalUpstream {
  readonly #upstream: Upstream;
  readonly #authorization: PersonalAuthorization;

  /** @throws when the address is not acceptable */
  constructor(server: RemoteServer, person: Omit<AuthorizationDeps, 'server' | 'fetch'>) {
    // What the server names is judged like any address from outside, but for the host that the operator wrote himself.
    const rules = { trustedHost: new URL(server.url).hostname, ca: server.ca };
    const fetch = outboundFetch(openOutbound(), rules);
    this.#authorization = new PersonalAuthorization({ ...person, server: server.url, fetch });
    this.#upstream = remoteUpstream(server, Date.now, systemResolver(), this.#authorization);
  }

  /**
   * Does some work with it, once more each time that the server has asked for authorization and got it.
   * @throws UpstreamFailure, NotAuthorized
   */
  async use<T>(work: (upstream: Upstream) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work(this.#upstream);
      } catch (error) {
        const { status, challenge } = error instanceof HttpFailure ? error : { status: 0, challenge: undefined };
        if (!(await this.#authorization.answer(status, challenge))) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#authorization.close(), this.#upstream.close()]);
  }
}
