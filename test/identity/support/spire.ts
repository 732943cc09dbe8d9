import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../support/free-port.ts';
import { scratch } from '../../support/scratch.ts';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'innerkeep');
const [home = ''] = globSync('spire-*', { cwd: cache }).sort().reverse();
const program = (name: string): string => join(cache, home, name);

/** The reason to skip, where the component is absent. */
export const noSpire =
  globSync('spire-*/spire-{server,agent}', { cwd: cache }).length < 2 &&
  'spire is not there; npm run servers brings it';

const run = promisify(execFile);

/** A real SPIRE server and agent of one trust domain, on loopback, that know this user's processes by one entry each. */
export interface Spire {
  /** Of the agent's Workload API. */
  readonly socket: string;
  server(...args: readonly string[]): Promise<string>;
  agent(...args: readonly string[]): Promise<string>;
  /** PEM of what the Workload API gives a process now: the chain and the key of each SVID. */
  svids(): Promise<readonly { readonly cert: string; readonly key: string }[]>;
  stopAgent(): Promise<void>;
}

export async function startSpire(t: TestContext, spiffeId: string): Promise<Spire> {
  const dir = scratch(t);
  const [port, serverSocket, socket] = [await freePort(), join(dir, 's.sock'), join(dir, 'a.sock')];
  for (const name of ['server', 'agent', 'svid']) mkdirSync(join(dir, name));
  writeFileSync(join(dir, 'server.conf'), serverConf(dir, port, serverSocket));
  writeFileSync(join(dir, 'agent.conf'), agentConf(dir, port, socket));
  const server = async (...args: readonly string[]): Promise<string> =>
    (await run(program('spire-server'), [...args, '-socketPath', serverSocket])).stdout;
  const agent = async (...args: readonly string[]): Promise<string> =>
    (await run(program('spire-agent'), [...args, '-socketPath', socket])).stdout;

  start(t, 'spire-server', ['run', '-config', join(dir, 'server.conf')]);
  await healthy(() => server('healthcheck'));
  const token = /Token: (\S+)/.exec(await server('token', 'generate', '-spiffeID', 'spiffe://example.org/agent'))?.[1];
  const uid = `unix:uid:${process.getuid?.()}`;
  const entry = ['-parentID', 'spiffe://example.org/agent', '-spiffeID', spiffeId, '-selector', uid];
  await server('entry', 'create', ...entry);
  const running = start(t, 'spire-agent', ['run', '-config', join(dir, 'agent.conf'), '-joinToken', String(token)]);
  await healthy(() => agent('healthcheck'));
  const into = join(dir, 'svid');
  const svids = async () => {
    await agent('api', 'fetch', 'x509', '-write', into);
    const read = (at: number, what: string): string => readFileSync(join(into, `svid.${at}.${what}`), 'utf8');
    return globSync('svid.*.pem', { cwd: into }).map((_, at) => ({ cert: read(at, 'pem'), key: read(at, 'key') }));
  };
  await healthy(svids);
  return {
    socket,
    server,
    agent,
    svids,
    stopAgent: async () => {
      const exited = once(running, 'exit');
      running.kill('SIGTERM');
      await exited;
    },
  };
}

function start(t: TestContext, name: string, args: readonly string[]): ChildProcess {
  const child = spawn(program(name), args, { stdio: 'ignore' });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  return child;
}

/** Asks until it is answered well; SPIRE has no other way to tell that it is ready. */
async function healthy(ask: () => Promise<unknown>): Promise<void> {
  for (let left = 1000; ; left--) {
    try {
      await ask();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await wait(100);
    }
  }
}

function serverConf(dir: string, port: number, socket: string): string {
  return `server {
  bind_address = "127.0.0.1"
  bind_port = "${port}"
  socket_path = "${socket}"
  trust_domain = "example.org"
  data_dir = "${dir}/server"
  log_level = "ERROR"
  default_x509_svid_ttl = "1h"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3", connection_string = "${dir}/server/data.sqlite3" } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
}
`;
}

function agentConf(dir: string, port: number, socket: string): string {
  return `agent {
  data_dir = "${dir}/agent"
  log_level = "ERROR"
  trust_domain = "example.org"
  server_address = "127.0.0.1"
  server_port = "${port}"
  socket_path = "${socket}"
  insecure_bootstrap = true
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
`;
}
