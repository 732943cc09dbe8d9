import { fork } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { home } from '../support/tree.ts';
import { walksOf } from './client/driver.ts';
import { Gateway } from './gateway.ts';
import { type Scenario, testClient, testServer } from './suite.ts';

const here = import.meta.dirname;
const REVISIONS = ['2025-11-25', '2026-07-28'] as const;

/** One scenario of one run. */
export interface Row extends Scenario {
  /** `remote 2025-11-25`, `stdio-legacy 2026-07-28`, `client 2025-11-25` and the like. */
  readonly run: string;
  /** It has to pass; no reason excuses it. */
  readonly required: boolean;
}

/** What one revision's frozen list requires of a server and of a client. */
export function required(revision: string): { readonly server: readonly string[]; readonly client: readonly string[] } {
  const file = `node_modules/@modelcontextprotocol/conformance/requirements/${revision}.yaml`;
  return parse(readFileSync(join(home, file), 'utf8'));
}

/**
 * The fixture behind the gateway: over HTTP and in sandboxes, as it is and knowing the older era alone. A fixture that
 * speaks both eras is spoken to in the newer one, so the runs cross the eras both ways. Each upstream has both frozen
 * lists; what is named here is run whole beside them.
 */
const UPSTREAMS: Readonly<Record<string, readonly string[]>> = {
  remote: ['2025-06-18', '2025-03-26'],
  stdio: ['2025-06-18', '2025-03-26'],
  'remote-legacy': [],
  'stdio-legacy': [],
};

/** The fixture over HTTP without a gateway: what fails here is not the gateway's fault. */
export async function directRuns(report: (rows: readonly Row[]) => void): Promise<void> {
  const { port, stop } = await remote();
  try {
    for (const revision of REVISIONS) report(await requirements(`http://localhost:${port}/mcp`, 'fixture', revision));
  } finally {
    stop();
  }
}

/** Every server run, in order; `report` gets the rows of each when it is through. */
export async function serverRuns(report: (rows: readonly Row[]) => void): Promise<void> {
  const remotes = await Promise.all([remote(), remote('--era=legacy')]);
  const gateway = await Gateway.prepare();
  try {
    cpSync(join(here, 'fixture/stdio'), join(gateway.workspace.dir, 'fixture'), { recursive: true });
    await gateway.add('remote', `http://127.0.0.1:${remotes[0].port}/mcp`);
    await gateway.add('remote-legacy', `http://127.0.0.1:${remotes[1].port}/mcp`);
    await gateway.add('stdio', './fixture', 'node', 'server.mjs');
    await gateway.add('stdio-legacy', './fixture', 'node', 'server.mjs', '--era=legacy');
    await gateway.start(...Object.keys(UPSTREAMS));
    for (const [upstream, all] of Object.entries(UPSTREAMS)) {
      for (const revision of REVISIONS) report(await requirements(gateway.url(upstream), upstream, revision));
      for (const revision of all) report(await everything(gateway.url(upstream), upstream, revision));
    }
  } catch (thrown) {
    throw new Error(`${thrown}\n${gateway.log}`, { cause: thrown });
  } finally {
    await gateway.stop();
    for (const { stop } of remotes) stop();
  }
}

async function requirements(url: string, upstream: string, revision: string): Promise<readonly Row[]> {
  const list = required(revision).server;
  const scenarios = await testServer(url, '--requirements', revision);
  const missing = list.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (missing.length > 0) throw new Error(`${upstream} ${revision}: never run: ${missing.join(', ')}`);
  // The lists ask for one server; towards the fixture that knows one era alone, they are run for what they show.
  const binding = !upstream.endsWith('-legacy');
  return scenarios.map((scenario) => ({
    ...scenario,
    run: `${upstream} ${revision}`,
    required: binding && list.includes(scenario.name),
  }));
}

async function everything(url: string, upstream: string, revision: string): Promise<readonly Row[]> {
  const scenarios = await testServer(url, '--suite', 'all', '--spec-version', revision);
  return scenarios.map((scenario) => ({ ...scenario, run: `${upstream} ${revision}`, required: true }));
}

/** The older revision's scenarios that a client of the newer one can be in front of, and the other way round. */
const CROSSED = {
  '2025-11-25': ['tools_call', 'elicitation-sep1034-client-defaults', 'sse-retry'],
  '2026-07-28': ['tools_call', 'sep-2322-client-request-state', 'http-custom-headers'],
};

/** Every client scenario that is not about OAuth, a stock client in front; then some with a client of the other era. */
export async function clientRuns(report: (rows: readonly Row[]) => void): Promise<void> {
  const jobs = REVISIONS.flatMap((revision) => {
    const { client } = required(revision);
    const walks = walksOf(revision);
    const missing = client.filter((name) => !name.startsWith('auth/') && !walks.includes(name));
    if (missing.length > 0) throw new Error(`no walk for ${missing.join(', ')}`);
    const other = revision === '2026-07-28' ? '2025-11-25' : '2026-07-28';
    return [
      ...walks.map((scenario) => ({
        scenario,
        revision,
        clientRevision: revision,
        run: `client ${revision}`,
        required: client.includes(scenario),
      })),
      ...CROSSED[revision].map((scenario) => ({
        scenario,
        revision,
        clientRevision: other,
        run: `client ${revision} from ${other}`,
        required: false,
      })),
    ];
  });
  // The suite starts it by a shell, and stops that; `exec` leaves no shell in between.
  const command = `exec ${process.execPath} ${join(here, 'client/command.ts')}`;
  const rows: Row[] = [];
  const work = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { scenario, revision, clientRevision, run, required } = job;
      const result = await testClient(command, scenario, revision, { CLIENT_REVISION: clientRevision });
      rows.push({ ...result, run, required });
    }
  };
  await Promise.all([work(), work()]);
  for (const run of new Set(rows.map((row) => row.run)))
    report(rows.filter((row) => row.run === run).toSorted((a, b) => (a.name < b.name ? -1 : 1)));
}

/** The fixture over HTTP, a process of its own. */
function remote(...argv: readonly string[]): Promise<{ readonly port: number; stop(): void }> {
  const child = fork(join(here, 'fixture/remote.mjs'), argv);
  return new Promise((resolve, reject) => {
    child.once('message', (port) => resolve({ port: Number(port), stop: () => child.disconnect() }));
    child.once('exit', (code) => reject(new Error(`the fixture ended with ${code}`)));
  });
}
