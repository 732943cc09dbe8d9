import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type Product, Workspace } from './product.ts';
import { files, home, read } from './tree.ts';

const first = join(home, 'examples/first-call');

/** The configuration of `npm start` on free ports, with a remote streamable-HTTP server beside its two sandboxed ones. */
export interface Example {
  readonly product: Product;
  stop(): Promise<void>;
}

export async function startExample(): Promise<Example> {
  const workspace = new Workspace({});
  for (const name of ['policies', 'data', 'innerkeep.lock']) {
    cpSync(join(first, name), join(workspace.dir, name), { recursive: true });
  }
  // What `npm start` has fetched is there by digest; the start verifies every byte of it, and fetches what is missing.
  const store = join(first, '.innerkeep/store');
  if (existsSync(store)) cpSync(store, join(workspace.dir, '.innerkeep/store'), { recursive: true });
  writeFileSync(join(workspace.dir, 'innerkeep.yaml'), onFreePorts(read('examples/first-call/innerkeep.yaml')));
  await (await workspace.up()).stop();

  const remote = await startRemote(workspace);
  try {
    await workspace.must('add', `http://127.0.0.1:${remote.port}/mcp`, '--name', 'remote', '--yes');
    const policies = join(
      workspace.dir,
      'policies',
      files('examples/first-call/policies/*.cedar')[0]?.split('/').pop() ?? '',
    );
    const permit = 'permit (principal in Tenant::"acme", action == Action::"remote/echo", resource == Tenant::"acme");';
    writeFileSync(policies, `${readFileSync(policies, 'utf8')}\n${permit}\n`);
    const product = await workspace.up();
    return {
      product,
      async stop() {
        await product.stop();
        remote.child.kill();
        workspace.remove();
      },
    };
  } catch (error) {
    remote.child.kill();
    throw error;
  }
}

function onFreePorts(text: string): string {
  return `edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/min, burst: 10000 } }\n${text.replace(/^(edge|admin):.*\n(?:[ \t]+.*\n)*/gm, '')}`;
}

/** Somebody else's server, over HTTP with sessions: the one that the example also runs in a sandbox. */
async function startRemote(workspace: Workspace): Promise<{ child: ChildProcess; port: number }> {
  const path = 'node_modules/@modelcontextprotocol/server-everything/dist/index.js';
  const [found] = files(`examples/first-call/.innerkeep/store/*/${path}`);
  const entry = found ? join(home, found) : firstOf(workspace, path);
  const port = await freePort();
  const child = spawn(process.execPath, [entry, 'streamableHttp'], {
    env: { PATH: process.env.PATH, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    const listening = (chunk: Buffer): void => {
      if (/listening|port/i.test(chunk.toString())) resolve({ child, port });
    };
    child.stdout.on('data', listening);
    child.stderr.on('data', listening);
    child.once('exit', (code) => reject(new Error(`remote server: exit ${code}`)));
  });
}

function firstOf(workspace: Workspace, path: string): string {
  const lock = JSON.parse(readFileSync(join(workspace.dir, 'innerkeep.lock'), 'utf8')) as {
    servers: Record<string, { digest?: string }>;
  };
  for (const { digest } of Object.values(lock.servers)) {
    const entry = join(workspace.dir, '.innerkeep/store', String(digest), path);
    if (existsSync(entry)) return entry;
  }
  throw new Error('server-everything is not in the store');
}
