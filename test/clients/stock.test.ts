import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Example, startExample } from '../support/example.ts';
import { home } from '../support/tree.ts';
import { verifies } from '../support/verifies.ts';

let example: Example;
let token: string;
const scratch = mkdtempSync(join(tmpdir(), 'ik-home-'));
before(async () => {
  example = await startExample();
  token = await example.product.token();
});
after(async () => {
  await example?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

function run(argv: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { ready } = example.product;
  const env = { PATH: process.env.PATH, HOME: scratch, NODE_EXTRA_CA_CERTS: ready.ca, MCP: ready.mcp, TOKEN: token };
  const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (said.stdout += chunk));
  child.stderr.on('data', (chunk) => (said.stderr += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...said })));
}

const program = (name: string): string => join(home, 'test/clients/programs', name);

/** What alice of acme gets, whatever client she takes. */
async function sees(argv: readonly string[], revision: string): Promise<void> {
  const { code, stdout, stderr } = await run(argv);
  assert.equal(code, 0, stderr);
  const seen = JSON.parse(stdout);
  assert.equal(seen.revision, revision);
  assert.ok(seen.tools.includes('files__read_text_file') && seen.tools.includes('everything__echo'));
  assert.ok(!seen.tools.includes('files__write_file'), 'a tool that no policy permits is listed');
  assert.match(seen.file, /hello/i);
  assert.match(seen.echo, /sandboxed/);
  assert.match(seen.remote, /over HTTP/);
  assert.ok(seen.prompt.length > 0);
  assert.equal(seen.resource.uri, seen.uri);
  assert.match(seen.denied, /Not permitted/);
  assert.match(seen.unlisted, /Unknown tool/);
}

test('client 2.x in legacy mode: lists, calls, reads, prompts', () =>
  sees([program('client-2.mjs'), 'legacy'], '2025-11-25'));
test('client 2.x in modern mode', () => sees([program('client-2.mjs'), 'modern'], '2026-07-28'));
test('client 2.x that probes for the era finds the modern one', () =>
  sees([program('client-2.mjs'), 'auto'], '2026-07-28'));
test('SDK 1.32', () => sees([program('sdk-1.mjs')], '2025-11-25'));

for (const [mode, revision] of [
  ['legacy', '2025-11-25'],
  ['modern', '2026-07-28'],
] as const) {
  test(`client 2.x over stdio through connect, ${mode}`, () => {
    const config = join(example.product.workspace.dir, 'innerkeep.yaml');
    const bridge = [
      process.execPath,
      join(home, 'src/main.ts'),
      'connect',
      '-c',
      config,
      '--subject',
      'alice',
      '--tenant',
      'acme',
    ];
    return sees([program('connect.mjs'), mode, ...bridge], revision);
  });
}

for (const era of ['legacy', 'auto', 'modern']) {
  test(`inspector 2.12, --protocol-era ${era}`, async () => {
    const inspect = async (...argv: string[]) => {
      const base = [
        join(home, 'node_modules/.bin/mcp-inspector'),
        '--cli',
        example.product.ready.mcp,
        '--transport',
        'http',
      ];
      const bearer = ['--protocol-era', era, '--header', `Authorization: Bearer ${token}`, '--format', 'json'];
      const { code, stdout, stderr } = await run([...base, ...bearer, ...argv]);
      assert.equal(code, 0, `${argv.join(' ')}: ${stderr}${stdout}`);
      return stdout;
    };
    assert.match(await inspect('--method', 'tools/list'), /files__read_text_file/);
    const call = [
      '--method',
      'tools/call',
      '--tool-name',
      'files__read_text_file',
      '--tool-arg',
      'path=/data/public/hello.txt',
    ];
    assert.match(await inspect(...call), /hello/i);
    const listed = await inspect('--method', 'resources/list');
    const uri = /"(everything\+[^"]+)"/.exec(listed)?.[1] ?? '';
    assert.match(await inspect('--method', 'resources/read', '--uri', uri), /everything\+/);
    assert.match(await inspect('--method', 'prompts/get', '--prompt-name', 'everything__simple-prompt'), /messages/);
  });
}

test('a stock client without a token learns nothing but 421', async () => {
  verifies('authn.edge');
  token = 'none';
  const { code, stderr } = await run([program('client-2.mjs'), 'legacy']);
  assert.notEqual(code, 0);
  assert.match(stderr, /421/);
});
