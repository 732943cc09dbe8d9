import type { Fetch } from './fetching.ts';
import type { OwnClient } from './own-client.ts';

/** How one server's callers authorize us, each for himself. */
export interface GrantRules {
  readonly server: string;
  /** Of the server's MCP endpoint. */
  readonly url: string;
  readonly issuer: string;
  readonly audience: string;
  /** What is asked for at first. */
  readonly scopes: readonly string[];
  /** What a person may be asked for when the server wants it, and nothing else. */
  readonly further: readonly string[];
  /** Whether tokens are bound to a key where the issuer can do that: the server understands it (RFC 9449). */
  readonly dpop: boolean;
  /** What `issuer` knows us by. */
  readonly clientId: string;
  /** By what we show that, for callers of one tenant; nothing: by PKCE alone. @throws NoSecret */
  credential(tenant: string): Promise<Pick<OwnClient, 'secret' | 'key'>>;
  readonly fetch: Fetch;
}
