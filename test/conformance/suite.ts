import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { home } from '../support/tree.ts';

const suite = join(home, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
/** Milliseconds after which the suite hangs; it has a limit of its own for each scenario. */
const LONGEST = 600_000;
/** How the suite names the folder of one scenario's results. */
const FOLDER = /^(?:server-|authorization-server-(?=authorization-))?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/;

/** One scenario as the suite judged it. */
export interface Scenario {
  readonly name: string;
  readonly passed: boolean;
  /** Checks by their status. */
  readonly counts: Readonly<Record<'SUCCESS' | 'FAILURE' | 'WARNING', number>>;
  /** What did not hold: `STATUS id: message`. */
  readonly complaints: readonly string[];
  /** What the suite printed; its own words where it made no check at all. */
  readonly printed: string;
}

interface Check {
  readonly id: string;
  readonly status: string;
  readonly description: string;
  readonly errorMessage?: string;
}

/** Runs the official suite against a server; one scenario after the other, in one process. */
export function testServer(url: string, ...selection: readonly string[]): Promise<readonly Scenario[]> {
  return inScratch(async (folder) => {
    const { printed } = await run(['server', '--url', url, '-o', folder, ...selection]);
    const summary = printed.split('=== SUMMARY ===')[1] ?? '';
    const named = [...summary.matchAll(/^[✓✗] (\S+): \d+ passed, (\d+) failed$/gm)];
    if (named.length === 0) throw new Error(`the suite ran no scenario\n${printed.slice(-4000)}`);
    const results = resultsIn(folder);
    return named.map(([, name = '', failed]) => judged(name, failed === '0', results.get(name) ?? [], printed));
  });
}

/**
 * Runs one client scenario: the suite serves it and starts `command`, which gets the URL as its last argument.
 * @param revision undefined: it is an extension's, and of no revision
 */
export function testClient(
  command: string,
  scenario: string,
  revision: string | undefined,
  env: Env = {},
): Promise<Scenario> {
  // The client is a whole gateway, added to and started; on a busy machine that alone takes the half minute of default.
  const of = revision === undefined ? [] : ['--spec-version', revision];
  const selection = ['--scenario', scenario, ...of, '--timeout', '120000'];
  return inScratch(async (folder) => {
    const { code, printed } = await run(['client', '--command', command, '-o', folder, ...selection], env);
    const judgement = judged(scenario, code === 0, resultsIn(folder).get(scenario) ?? [], printed);
    const [said] = /Client (?:exited with code|timed out) .*?(?=\nResults saved)/s.exec(printed) ?? [];
    return said === undefined ? judgement : { ...judgement, complaints: [...judgement.complaints, said] };
  });
}

/** The suite's client scenarios, by name, with the revisions that they are of; `extension` is one of these. */
export async function clientScenarios(): Promise<ReadonlyMap<string, readonly string[]>> {
  const { printed } = await run(['list']);
  const [, list = ''] = /^Client scenarios.*?:\n(.*?)\n\n/ms.exec(printed) ?? [];
  return new Map([...list.matchAll(/- (\S+) \[(.*)\]/g)].map(([, name = '', of = '']) => [name, of.split(',')]));
}

/**
 * Runs every scenario for authorization servers against the issuer at `url`, as the client `stock`.
 * @param visit gets the URL that a person is asked to open
 */
export function testIssuer(
  url: string,
  resource: string,
  port: number,
  env: Env,
  visit: (url: string) => void,
): Promise<readonly Scenario[]> {
  return inScratch(async (folder) => {
    const client = ['--client-id', 'stock', '--resource', resource, '-p', String(port)];
    let seen = '';
    const { printed } = await run(['authorization', '--url', url, ...client, '-o', folder], env, (text) => {
      const before = seen;
      seen += text;
      const asked = /^(https:\S+\/authorize\?\S+)\n/m;
      const [, found] = asked.exec(seen) ?? [];
      if (found !== undefined && !asked.test(before)) visit(found);
    });
    return [...resultsIn(folder)].map(([name, checks]) => {
      const passed = checks.length > 0 && checks.every(({ status }) => status === 'SUCCESS');
      return judged(name, passed, checks, printed);
    });
  });
}

type Env = Readonly<Record<string, string>>;

function judged(name: string, passed: boolean, checks: readonly Check[], printed: string): Scenario {
  const count = (status: string) => checks.filter((check) => check.status === status).length;
  const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  return {
    name,
    passed,
    counts: { SUCCESS: count('SUCCESS'), FAILURE: count('FAILURE'), WARNING: count('WARNING') },
    complaints: bad.map(
      ({ status, id, errorMessage, description }) => `${status} ${id}: ${errorMessage ?? description}`,
    ),
    printed,
  };
}

function resultsIn(folder: string): ReadonlyMap<string, readonly Check[]> {
  const results = new Map<string, readonly Check[]>();
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const [, name] = /^(.+)\/checks\.json$/.exec(path) ?? [];
    const [, scenario] = FOLDER.exec(name ?? '') ?? [];
    if (scenario !== undefined) results.set(scenario, JSON.parse(readFileSync(join(folder, path), 'utf8')));
  }
  return results;
}

function run(
  argv: readonly string[],
  env: Env = {},
  hear: (text: string) => void = () => {},
): Promise<{ readonly code: number | null; readonly printed: string }> {
  const child = spawn(process.execPath, [suite, ...argv], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONGEST,
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      hear(text);
    });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, printed })));
}

async function inScratch<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'ik-suite-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
