// The "client" that the suite starts for its scenarios about OAuth: what `innerkeep add` speaks to a remote server with, and
// in the person's place a browser that agrees to everything.
import { terminalBrowser } from '../../../src/cli/browser.ts';
import type { RemoteServer } from '../../../src/contract/bundle.ts';
import { PersonalUpstream } from '../../../src/main/personal-upstream.ts';
import { aCall } from '../../runtime/support.ts';

/** What a client knows beforehand, where it knows anything. */
interface Context {
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly private_key_pem?: string;
  readonly issuer?: string;
}

/** The document of this URL is the suite's own; the name leads nowhere. */
const DOCUMENT = 'https://conformance-test.local/client-metadata.json';

const url = String(process.argv[2]);
const server: RemoteServer = { kind: 'remote', name: 'suite', url, deadline: 60_000, maxResult: 1_000_000 };
const context: Context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
const upstream = new PersonalUpstream(server, {
  preRegistered: await knownClient(context),
  document: DOCUMENT,
  browser: () => terminalBrowser((address) => void fetch(address).then((answer) => answer.text())),
});
try {
  const { tools } = await upstream.use((remote) => remote.describe(AbortSignal.timeout(120_000)));
  for (const tool of tools) {
    const params = Buffer.from(JSON.stringify({ name: JSON.parse(tool).name, arguments: {} }));
    await upstream.use((remote) => remote.call(aCall({ method: 'tools/call', params })));
  }
} finally {
  await upstream.close();
}

/** The suite does not always say of which issuer the client is; an operator would. */
async function knownClient({ client_id: id, client_secret: secret, private_key_pem: key, issuer }: Context) {
  if (id === undefined) return undefined;
  const place = new URL('/.well-known/oauth-protected-resource/mcp', url);
  const { authorization_servers: named } = Object(await (await fetch(place)).json());
  return {
    id,
    issuer: String(issuer ?? named[0]),
    ...(secret !== undefined && { secret }),
    ...(key !== undefined && { key }),
  };
}
