import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Product, Workspace } from '../../test/support/product.ts';
import type { Target } from './raw-client.ts';

const here = import.meta.dirname;

/** Everything that the benches run against, each a process of its own. */
export interface Setting {
  readonly product: Product;
  readonly proxyPid: number;
  readonly targets: {
    readonly direct: Target;
    readonly proxy: Target;
    readonly http: Target;
    readonly sandboxed: Target;
  };
  close(): Promise<void>;
}

const policy = `permit (
  principal in Tenant::"acme",
  action in [Action::"echo/echo", Action::"tiny/echo"],
  resource == Tenant::"acme"
);
`;

export async function setting(): Promise<Setting> {
  const upstream = await start('echo-upstream.ts', []);
  const origin = `http://127.0.0.1:${upstream.port}`;
  const workspace = new Workspace({
    'innerkeep.yaml':
      'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/min, burst: 10000 } }\n',
    'policies/bench.cedar': policy.replaceAll('Action::"echo/echo", ', '').replace('[Action::"tiny/echo"]', '[]'),
  });
  cpSync(join(here, 'tiny'), join(workspace.dir, 'tiny'), { recursive: true });
  await workspace.must('add', `${origin}/mcp`, '--name', 'echo', '--yes');
  await workspace.must('add', './tiny', '--name', 'tiny', '--yes', '--', 'node', 'server.mjs');
  writeFileSync(join(workspace.dir, 'policies/bench.cedar'), policy);
  const product = await workspace.up();
  const token = await product.token('--ttl', '6h');
  const { ca } = product;
  const tls = await certificate(workspace);
  const proxy = await start('bare-proxy.ts', [origin, tls.key, tls.cert]);
  const secured = { ca, token };
  return {
    product,
    proxyPid: proxy.pid,
    targets: {
      direct: { url: `${origin}/mcp`, tool: 'echo' },
      proxy: { url: `https://localhost:${proxy.port}/mcp`, ca: tls.ca, token, tool: 'echo' },
      http: { url: product.ready.mcp, ...secured, tool: 'echo__echo' },
      sandboxed: { url: product.ready.mcp, ...secured, tool: 'tiny__echo' },
    },
    async close() {
      await product.stop();
      for (const child of [upstream.child, proxy.child]) child.disconnect();
      workspace.remove();
    },
  };
}

function start(file: string, argv: string[]): Promise<{ child: ChildProcess; port: number; pid: number }> {
  const child = fork(join(here, file), argv);
  return new Promise((resolve, reject) => {
    child.once('message', (address: AddressInfo) => resolve({ child, port: address.port, pid: child.pid ?? 0 }));
    child.once('exit', (code) => reject(new Error(`${file}: exit ${code}`)));
  });
}

/** A certificate for the bare proxy, of the same kind as the edge's. */
async function certificate(workspace: Workspace): Promise<{ key: string; cert: string; ca: string }> {
  const { openPki } = await import('../../src/control-plane/pki/pki.ts');
  const pki = await openPki(join(workspace.dir, 'bench-ca'), Date.now);
  const leaf = await pki.leaf(['localhost']);
  const [key, cert] = [join(workspace.dir, 'bench.key'), join(workspace.dir, 'bench.pem')];
  writeFileSync(key, leaf.key);
  writeFileSync(cert, leaf.cert);
  return { key, cert, ca: pki.caPem };
}
