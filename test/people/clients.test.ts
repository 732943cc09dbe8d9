import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { home } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';
import { type House, openHouse } from './support/house.ts';
import { Memory } from './support/memory.ts';

let house: House;
before(async () => {
  house = await openHouse();
});
after(() => house?.stop());

suite('stock clients sign in from nothing', () => {
  for (const mode of ['legacy', 'modern'] as const) {
    test(`@modelcontextprotocol/client, ${mode}: 401, metadata, passkey, consent, token, list, call`, async () => {
      verifies('authn.human', 'authn.edge');
      const alice = await house.person('alice');
      const memory = new Memory();
      const options = { authProvider: memory, fetch: house.fetch };
      const url = new URL(house.product.ready.mcp);
      const negotiation = mode === 'modern' ? { pin: '2026-07-28' } : 'legacy';
      const connect = async () => {
        const client = new Client({ name: 'stock', version: '1' }, {
          versionNegotiation: { mode: negotiation },
        } as never);
        const transport = new StreamableHTTPClientTransport(url, options);
        await client.connect(transport).catch(async (error: unknown) => {
          if (!(error instanceof UnauthorizedError)) throw error;
          assert.ok(memory.authorization !== undefined);
          assert.equal(memory.authorization.searchParams.get('resource'), house.product.ready.mcp);
          const query = await alice.allow(memory.authorization.href);
          await transport.finishAuth(query);
        });
        return client;
      };
      await connect();
      const client = await connect();
      const { tools } = await client.listTools();
      assert.ok(tools.some(({ name }) => name === 'files__read_text_file'));
      const called = await client.callTool({
        name: 'files__read_text_file',
        arguments: { path: '/data/public/hello.txt' },
      });
      assert.match(JSON.stringify(called.content), /hello/i);
      await client.close();
    });
  }

  test('the inspector: 401, its own loopback listener, passkey, consent, token, list', async (t) => {
    verifies('authn.human', 'authn.edge');
    const bob = await house.person('bob');
    const scratch = mkdtempSync(join(tmpdir(), 'ik-inspector-'));
    t.after(() => rmSync(scratch, { recursive: true, force: true }));
    const { mcp, ca } = house.product.ready;
    const callback = `http://127.0.0.1:${30_000 + (process.pid % 20_000)}/oauth/callback`;
    const login = ['--client-id', 'stock', '--callback-url', callback];
    const child = spawn(
      process.execPath,
      [
        join(home, 'node_modules/.bin/mcp-inspector'),
        '--cli',
        mcp,
        '--transport',
        'http',
        ...login,
        '--format',
        'json',
        '--method',
        'tools/list',
      ],
      {
        env: {
          PATH: '',
          HOME: scratch,
          NODE_EXTRA_CA_CERTS: ca,
          MCP_AUTO_OPEN_ENABLED: 'true',
          MCP_INSPECTOR_SECRET_STORE: 'memory',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const said = { stdout: '', stderr: '' };
    let visited: Promise<unknown> | undefined;
    child.stdout.on('data', (chunk) => (said.stdout += chunk));
    child.stderr.on('data', (chunk) => {
      said.stderr += chunk;
      const url = /navigate to: (https:\S+)\s/.exec(said.stderr)?.[1];
      if (url !== undefined) visited ??= bob.allow(url).then((query) => fetch(`${callback}?${query}`));
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    await visited;
    assert.equal(code, 0, said.stderr);
    assert.ok(
      JSON.parse(said.stdout).result.tools.some(({ name }: { name: string }) => name === 'files__read_text_file'),
    );
  });
});
