import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { type Product, Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';

export const TIMED = { timeout: 300_000 };
export const SECRET = `ghp_${'a1B2c3D4e5'.repeat(4).slice(0, 36)}`;

/** A policy that permits the tenant exactly these: `/say` is a tool of the worker, `#elicitation/create` what it asks. */
export const permit = (names: readonly string[]): string =>
  names
    .map(
      (name) =>
        `permit (principal in Tenant::"acme", action == Action::"worker${name}", resource == Tenant::"acme");\n`,
    )
    .join('');

/** The product in front of the folder's own server, under this policy; and alice's token. */
export async function startWorker(
  policy: string,
): Promise<{ workspace: Workspace; product: Product; alice: string; end: () => Promise<void> }> {
  const workspace = new Workspace({
    'innerkeep.yaml':
      'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/min, burst: 10000 } }\n',
    'policies/p.cedar': policy,
  });
  try {
    cpSync(join(home, 'test/tasks/server'), join(workspace.dir, 'server'), { recursive: true });
    await workspace.must('add', './server', '--name', 'worker', '--yes', '--', 'node', 'server.mjs');
    const product = await workspace.up();
    const end = async () => {
      await product.stop();
      workspace.remove();
    };
    return { workspace, product, alice: await product.token(), end };
  } catch (error) {
    workspace.remove();
    throw error;
  }
}
