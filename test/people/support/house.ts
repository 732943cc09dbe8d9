import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { Agent, fetch as undiciFetch } from 'undici';
import type { IssuerAnswer, IssuerRequest } from '../../../src/contract/zone-link.ts';
import { type Product, Workspace } from '../../support/product.ts';
import { home, read } from '../../support/tree.ts';
import { Visitor } from './visitor.ts';

const first = join(home, 'examples/first-call');
/** On any port (RFC 8252 §7.3). */
export const REDIRECT = 'http://127.0.0.1:7777/oauth/callback';

/** The example of `npm start`, where clients have to find their way in, and `echo` wants each call confirmed. */
export interface House {
  readonly product: Product;
  /** Trusts the house's authority, as a client would. */
  readonly fetch: typeof fetch;
  /** Trusts another authority beside. */
  readonly trusting: (ca: string) => typeof fetch;
  /** Somebody with a passkey, by invitation. */
  person(subject: string): Promise<Visitor>;
  stop(): Promise<void>;
}

export async function openHouse(identity = ''): Promise<House> {
  const workspace = new Workspace({});
  for (const name of ['policies', 'data', 'innerkeep.lock'])
    cpSync(join(first, name), join(workspace.dir, name), { recursive: true });
  const store = join(first, '.innerkeep/store');
  if (existsSync(store)) cpSync(store, join(workspace.dir, '.innerkeep/store'), { recursive: true });
  const servers = read('examples/first-call/innerkeep.yaml').replace(/^[\s\S]*?(?=^servers:)/m, '');
  const config = `edge: { listen: "127.0.0.1:0", unauthenticated: 401 }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 100000/min, burst: 10000 } }
identity: ${identity || `{ clients: { stock: { name: Stock Client, redirect_uris: ["${REDIRECT}"] } } }`}
${servers}
    tools: { echo: { step_up: mfa } }
`;
  writeFileSync(join(workspace.dir, 'innerkeep.yaml'), config);
  const product = await workspace.up();
  const agents: Agent[] = [];
  const trusting = (...others: string[]) => {
    const dispatcher = new Agent({ connect: { ca: [product.ca, ...others] } });
    agents.push(dispatcher);
    const asked = (input: string | URL, init: object) => undiciFetch(input, { ...init, dispatcher });
    return asked as unknown as typeof fetch;
  };
  const handle = asker(product);
  return {
    product,
    fetch: trusting(),
    trusting,
    async person(subject) {
      const visitor = new Visitor({ origin: new URL(product.ready.mcp).origin, issuer: { handle } });
      const link = await workspace.must('people', 'invite', '--subject', subject, '--tenant', 'acme');
      const shown = await visitor.enrol(link.trim());
      if (shown.status !== 200) throw new Error(shown.body);
      return visitor;
    },
    async stop() {
      for (const agent of agents) await agent.destroy();
      await product.stop();
      workspace.remove();
    },
  };
}

/** A way to the issuer of a running product, over the wire. */
export function asker(product: Product): (asked: IssuerRequest) => Promise<IssuerAnswer> {
  return (asked) => ask(product, asked);
}

function ask(product: Product, { method, url, headers, body }: IssuerRequest): Promise<IssuerAnswer> {
  return new Promise((resolve, reject) => {
    const target = new URL(url, product.ready.mcp);
    const sent = request(target, { method, headers, ca: product.ca, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers as IssuerAnswer['headers'], body: text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
