import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Agent, fetch as undiciFetch } from 'undici';
import { asker } from '../../people/support/house.ts';
import { Visitor } from '../../people/support/visitor.ts';
import { freePort } from '../../support/free-port.ts';
import { type Product, Workspace } from '../../support/product.ts';
import { CLIENT, codeIssuer } from './code-issuer.ts';
import { guardedServer } from './guarded-server.ts';

type CodeIssuer = Awaited<ReturnType<typeof codeIssuer>>;

const AUDIENCE = 'https://crm.example/mcp';

/** Somebody with a passkey here and an account there. */
class Person extends Visitor {
  /** From the address that a call was answered with, to the page that says that it can be made again. */
  async authorize(url: string, issuer: CodeIssuer): Promise<void> {
    const { body } = await this.open(await issuer.walk((await this.confirm(url)).attribute('href')));
    if (!body.includes('can use')) throw new Error(body);
  }
}

/** The product in front of a remote server that wants to know for whom it is called. */
export async function openHouse(t: TestContext, { dpop = true, life = 300 } = {}) {
  const port = await freePort();
  const origin = `https://localhost:${port}`;
  const issuer = await codeIssuer(t, `${origin}/oauth/authorized/crm`, { dpop });
  issuer.life = life;
  const crm = Object.assign(await guardedServer(t, AUDIENCE), { audience: AUDIENCE });
  const workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:${port}" }\nadmin: { listen: "127.0.0.1:0" }\n`,
    'idp-ca.pem': issuer.ca,
    'policies/p.cedar': ['acme', 'beta']
      .map(
        (tenant) => `permit (principal in Tenant::"${tenant}", action in [Action::"crm/who", Action::"crm/write"],
  resource == Tenant::"${tenant}");\n`,
      )
      .join(''),
  });
  t.after(() => workspace.remove());
  await workspace.must('add', crm.url, '--name', 'crm', '--yes');
  const file = join(workspace.dir, 'innerkeep.yaml');
  const auth = `    auth:
      authorize: ${issuer.url}
      audience: ${AUDIENCE}
      scopes: [crm.read]
      further_scopes: [crm.write]
      client: { id: ${CLIENT.client_id}, secret: crm-client }
      ca: ./idp-ca.pem
`;
  writeFileSync(file, `${readFileSync(file, 'utf8').trimEnd()}\n${auth}`);
  for (const tenant of ['acme', 'beta']) {
    const stored = await workspace.pipe(CLIENT.client_secret, 'secrets', 'put', 'crm-client', '--tenant', tenant);
    if (stored.code !== 0) throw new Error(stored.stderr);
  }
  const product: Product = await workspace.up();
  t.after(() => product.stop());
  crm.issuer = issuer;
  if (dpop) crm.nonce = 'first';
  const dispatcher = new Agent({ connect: { ca: product.ca } });
  t.after(() => dispatcher.destroy());
  const asked = (input: string | URL, init: object) => undiciFetch(input, { ...init, dispatcher });
  return {
    product,
    issuer,
    crm,
    fetch: asked as unknown as typeof fetch,
    async person(subject: string): Promise<Person> {
      const person = new Person({ origin, issuer: { handle: asker(product) } });
      const shown = await person.enrol(
        (await workspace.must('people', 'invite', '--subject', subject, '--tenant', 'acme')).trim(),
      );
      if (shown.status !== 200) throw new Error(shown.body);
      return person;
    },
  };
}
