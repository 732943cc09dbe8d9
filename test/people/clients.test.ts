import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  Client,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { verifies } from '../support/verifies.ts';
import { type House, openHouse, REDIRECT } from './support/house.ts';

let house: House;
before(async () => {
  house = await openHouse();
});
after(() => house?.stop());

type Discovered = Parameters<NonNullable<OAuthClientProvider['saveDiscoveryState']>>[0];

/** What a stock client keeps; at the beginning it knows its own id and nothing else. */
class Memory implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT;
  readonly clientMetadata = { redirect_uris: [REDIRECT], client_name: 'Stock Client' };
  authorization: URL | undefined;
  #discovered: Discovered | undefined;
  #tokens: ReturnType<OAuthClientProvider['tokens']>;
  #verifier = '';
  clientInformation = () => ({ client_id: 'stock' });
  discoveryState = () => this.#discovered;
  saveDiscoveryState = (state: Discovered) => {
    this.#discovered = state;
  };
  tokens = () => this.#tokens;
  saveTokens = (tokens: Parameters<OAuthClientProvider['saveTokens']>[0]) => {
    this.#tokens = tokens;
  };
  redirectToAuthorization = (url: URL) => {
    this.authorization = url;
  };
  saveCodeVerifier = (verifier: string) => {
    this.#verifier = verifier;
  };
  codeVerifier = () => this.#verifier;
}

suite('stock clients sign in from nothing', () => {
  for (const mode of ['legacy', 'modern'] as const) {
    test(`@modelcontextprotocol/client, ${mode}: 401, metadata, passkey, consent, token, list, call`, async () => {
      verifies('authn.human', 'authn.edge');
      const alice = await house.person('alice');
      const memory = new Memory();
      const options = { authProvider: memory, fetch: house.fetch };
      const url = new URL(house.product.ready.mcp);
      const negotiation = mode === 'modern' ? { pin: '2026-07-28' } : 'legacy';
      const connect = async () => {
        const client = new Client({ name: 'stock', version: '1' }, {
          versionNegotiation: { mode: negotiation },
        } as never);
        const transport = new StreamableHTTPClientTransport(url, options);
        await client.connect(transport).catch(async (error: unknown) => {
          if (!(error instanceof UnauthorizedError)) throw error;
          assert.ok(memory.authorization !== undefined);
          assert.equal(memory.authorization.searchParams.get('resource'), house.product.ready.mcp);
          const query = await alice.allow(memory.authorization.href);
          await transport.finishAuth(query);
        });
        return client;
      };
      await connect();
      const client = await connect();
      const { tools } = await client.listTools();
      assert.ok(tools.some(({ name }) => name === 'files__read_text_file'));
      const called = await client.callTool({
        name: 'files__read_text_file',
        arguments: { path: '/data/public/hello.txt' },
      });
      assert.match(JSON.stringify(called.content), /hello/i);
      await client.close();
    });
  }
});
