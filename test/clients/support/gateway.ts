import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Product, Workspace } from '../../support/product.ts';
import { home } from '../../support/tree.ts';
import { serverFile, type Way } from './clients.ts';
import { type Remote, startRemote } from './remote.ts';

export const servers = ['old-local', 'new-local', 'old-remote', 'new-remote'] as const;
const TOOLS = ['echo', 'deploy', 'summarise', 'where'];
const ASKS = ['elicitation/create', 'sampling/createMessage', 'roots/list'];

const list = (names: readonly string[]): string => names.map((name) => `Action::"${name}"`).join(', ');
const permit = (actions: readonly string[]): string =>
  `permit (principal in Tenant::"acme", action in [${list(actions)}], resource == Tenant::"acme");\n`;
export const policy = servers
  .map((server) =>
    permit([...TOOLS.map((tool) => `${server}/${tool}`), ...ASKS.map((method) => `${server}#${method}`)]),
  )
  .join('');

/** A gateway before four servers: of either era, sandboxed and over HTTP. */
export interface Gateway {
  readonly product: Product;
  /** `at`: a server, or undefined for all of them. */
  http(at: string | undefined): Promise<Way>;
  sse(at: string): Promise<Way>;
  connect(at: string | undefined): Way;
  /** Ends `up`, and starts it at the same address with another policy. */
  restart(policy: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startGateway(): Promise<Gateway> {
  const workspace = new Workspace({
    'innerkeep.yaml':
      'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/min, burst: 10000 } }\nservers: {}\n',
    'policies/all.cedar': '',
  });
  const remotes: Remote[] = [];
  try {
    cpSync(serverFile(''), join(workspace.dir, 'servers'), { recursive: true });
    for (const [name, era] of [['old', 'legacy'] as const, ['new', 'modern'] as const]) {
      const own = ['--', 'node', 'stdio.mjs', era];
      await workspace.must('add', './servers', '--name', `${name}-local`, '--yes', ...own);
      const remote = await startRemote(era);
      remotes.push(remote);
      await workspace.must('add', remote.url, '--name', `${name}-remote`, '--yes');
    }
    writeFileSync(join(workspace.dir, 'policies/all.cedar'), policy);
    let product = await workspace.up();
    const address = (at: string | undefined): string => `${product.ready.mcp}${at === undefined ? '' : `/${at}`}`;
    const token = (at: string | undefined): Promise<string> =>
      product.token('--subject', 'alice', '--tenant', 'acme', '--audience', address(at));
    return {
      get product() {
        return product;
      },
      http: async (at) => ({ url: address(at), ca: product.ca, token: await token(at) }),
      sse: async (at) => ({ url: `${address(at)}/sse`, ca: product.ca, token: await token(at), sse: true }),
      connect: (at) => {
        const who = ['--subject', 'alice', '--tenant', 'acme', ...(at === undefined ? [] : ['--server', at])];
        const config = join(workspace.dir, 'innerkeep.yaml');
        return { command: [process.execPath, join(home, 'src/main.ts'), 'connect', '-c', config, ...who] };
      },
      async restart(text) {
        const { port } = new URL(product.ready.mcp);
        await product.stop();
        const file = join(workspace.dir, 'innerkeep.yaml');
        writeFileSync(
          file,
          readFileSync(file, 'utf8').replace(
            'edge: { listen: "127.0.0.1:0" }',
            `edge: { listen: "127.0.0.1:${port}" }`,
          ),
        );
        writeFileSync(join(workspace.dir, 'policies/all.cedar'), text);
        product = await workspace.up();
      },
      async stop() {
        await product.stop();
        for (const remote of remotes) remote.stop();
        workspace.remove();
      },
    };
  } catch (error) {
    for (const remote of remotes) remote.stop();
    workspace.remove();
    throw error;
  }
}
