import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Product, Workspace } from '../support/product.ts';
import { GATEWAY_ADDRESS, Shim } from './shim.ts';

/** What a server may ask of the client, and what clients ask besides calling tools. */
const METHODS = [
  'completion/complete',
  'elicitation/create',
  'prompts/get',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'roots/list',
  'sampling/createMessage',
];

const POLICY = 'policies/conformance.cedar';

/** A gateway with servers behind it and a shim in front, for a client that has everything permitted by name. */
export class Gateway {
  readonly workspace: Workspace;
  readonly #shim: Shim;
  #product: Product | undefined;

  private constructor(shim: Shim, workspace: Workspace) {
    this.#shim = shim;
    this.workspace = workspace;
  }

  static async prepare(): Promise<Gateway> {
    const shim = await Shim.listen();
    const configuration = [
      'edge:',
      `  listen: ${GATEWAY_ADDRESS}:${shim.port}`,
      `  allowed_origins: ["http://localhost:${shim.port}"]`,
      'admin: { listen: 127.0.0.1:0 }',
      'limits: { per_subject: { rate: 100000/min, burst: 10000 } }',
      '',
    ];
    return new Gateway(shim, new Workspace({ 'innerkeep.yaml': configuration.join('\n'), [POLICY]: '' }));
  }

  /** As `innerkeep add … --name NAME`, without questions. */
  async add(name: string, source: string, ...command: readonly string[]): Promise<void> {
    await this.workspace.must(
      'add',
      source,
      '--name',
      name,
      '--yes',
      ...(command.length > 0 ? ['--', ...command] : []),
    );
  }

  /** The names of a server's pinned tools. */
  tools(name: string): readonly string[] {
    const lock = JSON.parse(readFileSync(join(this.workspace.dir, 'innerkeep.lock'), 'utf8'));
    return lock.servers[name].pins.tools.map((tool: { readonly name: string }) => tool.name);
  }

  /** Permits each action of these servers by its name, and starts. */
  async start(...servers: readonly string[]): Promise<void> {
    const actions = servers.flatMap((server) => [
      ...this.tools(server).map((tool) => `${server}/${tool}`),
      ...METHODS.map((method) => `${server}#${method}`),
    ]);
    const policy = actions
      .map(
        (action) =>
          `permit (principal in Tenant::"acme", action == Action::${JSON.stringify(action)}, resource == Tenant::"acme");\n`,
      )
      .join('');
    writeFileSync(join(this.workspace.dir, POLICY), policy);
    const product = await this.workspace.up();
    this.#product = product;
    // A subject for each server, so that calls which a run has left unanswered use up no other run's share.
    const token = (server: string) =>
      product.token('--subject', `client-of-${server}`, '--tenant', 'acme', '--ttl', '1h');
    const tokens = await Promise.all(servers.map(async (server) => [`/mcp/${server}`, await token(server)] as const));
    this.#shim.open(product.ca, new Map(tokens));
  }

  /** Where a client without token and TLS reaches this server. */
  url(server: string): string {
    return `http://localhost:${this.#shim.port}/mcp/${server}`;
  }

  /** The last of what the zones wrote to standard error. */
  get log(): string {
    return this.#product?.stderr() ?? '';
  }

  async stop(): Promise<void> {
    this.#shim.close();
    await this.#product?.stop();
    this.workspace.remove();
  }
}
