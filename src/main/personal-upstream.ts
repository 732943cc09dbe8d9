import { terminalBrowser } from '../cli/browser.ts';
import { printable } from '../cli/terminal.ts';
import type { RemoteServer } from '../contract/bundle.ts';
import type { LiveDescriptors } from '../contract/runtime-link.ts';
import { ConfigError } from '../control-plane/config/problem.ts';
import {
  type AuthorizationDeps,
  PersonalAuthorization,
} from '../control-plane/upstream-authorization/authorization.ts';
import { readClient } from '../control-plane/upstream-authorization/client-file.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { systemResolver } from '../runtime/egress/dial.ts';
import { HttpFailure } from '../runtime/upstream/http/failures.ts';
import { remoteUpstream } from '../runtime/upstream/http.ts';
import { type Upstream, UpstreamFailure } from '../runtime/upstream/upstream.ts';
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

/**
 * What a remote server says of itself now. The person at the terminal is asked to authorize us where it wants that.
 * @param client file that says what its issuer knows us by
 * @param config the file that has, or is to have, its settings
 * @throws ConfigError when it does not answer
 */
export async function describeRemote(
  server: RemoteServer,
  client: string | undefined,
  config: string,
  tell: (text: string) => void,
): Promise<LiveDescriptors> {
  const known = client === undefined ? {} : readClient(client);
  const show = (url: string) =>
    tell(`${server.name} wants to know for whom it is asked; open\n  ${printable(url, 4096)}\n`);
  const person = { preRegistered: undefined, document: undefined, ...known, browser: () => terminalBrowser(show) };
  const fault = (message: string) =>
    new ConfigError([{ file: config, line: 0, column: 0, key: `servers.${server.name}`, message }]);
  let upstream: PersonalUpstream;
  try {
    upstream = new PersonalUpstream(server, person);
  } catch (error) {
    throw fault(error instanceof Error ? error.message : String(error));
  }
  try {
    return await upstream.use((remote) => remote.describe(AbortSignal.timeout(60_000)));
  } catch (error) {
    if (error instanceof UpstreamFailure) throw fault(`it does not answer: ${error.detail}`);
    if (error instanceof Error && 'exitCode' in error) throw error;
    throw fault(`no authorization for it: ${error instanceof Error ? printable(error.message, 1024) : String(error)}`);
  } finally {
    await upstream.close();
  }
}
