import { chmodSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { RuntimeServer, SandboxedServer } from '../../../src/contract/bundle.ts';
import type { FasterStarts } from '../../../src/contract/zone-link.ts';
import { bundle, describe } from '../../../src/main/runtime-client.ts';
import { scratch } from '../../support/scratch.ts';

const modules = join(import.meta.dirname, '../../../node_modules');

export function server(root: string, command: readonly string[]): SandboxedServer {
  // The sandbox's user reads it, as it reads the store.
  chmodSync(root, 0o755);
  const limits = { memory: 256 << 20, deadline: 120_000, maxResult: 4 << 20 };
  return { kind: 'sandboxed', name: 'mine', driver: 'bubblewrap', root, command, mounts: [], ...limits };
}

/** What `add` and `up` do, with a state directory of the test's own. */
export function rooms(t: TestContext) {
  const state = scratch(t);
  const asked = (one: RuntimeServer) => describe(one, 'innerkeep.yaml', state);
  return {
    state,
    asked,
    made: (one: SandboxedServer): Promise<FasterStarts> => bundle(one, state),
    told: async (one: SandboxedServer): Promise<string> => JSON.parse((await asked(one)).tools[0] ?? '').description,
  };
}

/** @throws with the reason where there is none */
export function digestOf(one: FasterStarts['bundle']): string {
  if ('plain' in one) throw new Error(one.plain);
  return one.digest;
}

/** A package and all that it depends on, as they are installed here. */
export function install(root: string, name: string): void {
  const from = join(modules, name);
  const to = join(root, 'node_modules', name);
  if (existsSync(to) || !existsSync(from)) return;
  cpSync(from, to, { recursive: true });
  const { dependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(dependencies)) install(root, dependency);
}

/** A server with one tool, which describes itself as `expression` says. */
export function telling(
  t: TestContext,
  expression: string,
  head = '',
  more: Readonly<Record<string, string>> = {},
): string {
  const text = `${head}
import { createInterface } from 'node:readline';
const description = String(${expression});
const results = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } },
  'tools/list': { tools: [{ name: 'tell', description, inputSchema: { type: 'object' } }] },
};
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  const answer = results[method] ? { result: results[method] } : { error: { code: -32601, message: 'no' } };
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
});
`;
  return scratch(t, { 'dist/server.mjs': text, ...more });
}
