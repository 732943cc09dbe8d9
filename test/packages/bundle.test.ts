import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { RuntimeServer, SandboxedServer } from '../../src/contract/bundle.ts';
import type { StartPin } from '../../src/contract/zone-link.ts';
import { startPin } from '../../src/control-plane/packages/start-pin.ts';
import { bundle, describe } from '../../src/main/runtime-client.ts';
import { absent } from '../sandbox/support/hosted.ts';
import { scratch } from '../support/scratch.ts';

const modules = join(import.meta.dirname, '../../node_modules');

function server(root: string, command: readonly string[]): SandboxedServer {
  // The sandbox's user reads it, as it reads the store.
  chmodSync(root, 0o755);
  const limits = { memory: 256 << 20, deadline: 30_000, maxResult: 4 << 20 };
  return { kind: 'sandboxed', name: 'mine', driver: 'bubblewrap', root, command, mounts: [], ...limits };
}

const asked = (one: RuntimeServer) => describe(one, 'innerkeep.yaml', '/nowhere/state');
const made = (one: SandboxedServer) => bundle(one, '/nowhere/state');

function digestOf(start: StartPin): string {
  assert.ok('bundle' in start, JSON.stringify(start));
  return start.bundle;
}

/** A package and all that it depends on, as they are installed here. */
function install(root: string, name: string): void {
  const from = join(modules, name);
  const to = join(root, 'node_modules', name);
  if (existsSync(to) || !existsSync(from)) return;
  cpSync(from, to, { recursive: true });
  const { dependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(dependencies)) install(root, dependency);
}

/** A server with one tool, which describes itself as `expression` says. */
function telling(t: TestContext, expression: string, head = '', more: Readonly<Record<string, string>> = {}): string {
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

const told = async (one: SandboxedServer): Promise<string> => JSON.parse((await asked(one)).tools[0] ?? '').description;

suite('a server that starts from one module', { skip: absent('bubblewrap') }, () => {
  test('an SDK server answers byte for byte as from its files, and two bundles of it are the same', async (t) => {
    const sdk = readFileSync(join(import.meta.dirname, '../../bench/support/sdk/server.mjs'), 'utf8');
    const root = scratch(t, { 'server.mjs': sdk });
    for (const name of ['@modelcontextprotocol/sdk', 'zod']) install(root, name);
    const plain = server(root, ['node', 'server.mjs']);
    const digest = digestOf(await made(plain));
    assert.equal(digestOf(await made(plain)), digest);
    assert.deepEqual(await asked({ ...plain, bundle: digest }), await asked(plain));
  });

  test('it sees its own arguments, environment, files and places, and nothing of the start', async (t) => {
    const root = telling(
      t,
      `JSON.stringify([process.argv, process.execArgv, process.env, process.cwd(), import.meta.url, import.meta.dirname,
        readFileSync(new URL('../data.txt', import.meta.url), 'utf8'), place, word, Named.name])`,
      `import { readFileSync } from 'node:fs';
import { place, word } from './parts/part.cjs';
class Named {}`,
      {
        'data.txt': 'mine',
        'dist/parts/part.cjs': `'use strict';
exports.place = [__dirname, __filename];
exports.word = require('node:path').basename(require('./word.json').word);`,
        'dist/parts/word.json': '{ "word": "a/b" }',
      },
    );
    const plain = server(root, ['node', 'dist/server.mjs', 'one', '--two']);
    const bundled = { ...plain, bundle: digestOf(await made(plain)) };
    assert.equal(await told(bundled), await told(plain));
    assert.match(await told(bundled), /"\/srv\/dist\/server\.mjs","one","--two"/);
  });

  test('nothing is evaluated before the start: clock and randomness are of each start alone', async (t) => {
    const plain = server(telling(t, '[crypto.randomUUID(), Math.random(), Date.now(), performance.timeOrigin]'), [
      'node',
      'dist/server.mjs',
    ]);
    const bundled = { ...plain, bundle: digestOf(await made(plain)) };
    const [one, two] = [(await told(bundled)).split(','), (await told(bundled)).split(',')];
    for (const [index, value] of one.entries()) assert.notEqual(value, two[index]);
    const start = await startPin(plain, await asked(plain), made, asked);
    assert.deepEqual(start, { plain: 'its bundle says other things of itself' });
  });

  test('a module that is not the pinned one is not run: the server starts from its files', async (t) => {
    const plain = server(telling(t, "new Error().stack.includes('/opt/innerkeep/start/bundle.mjs')"), [
      'node',
      'dist/server.mjs',
    ]);
    const digest = digestOf(await made(plain));
    assert.equal(await told({ ...plain, bundle: digest }), 'true');
    assert.equal(await told({ ...plain, bundle: digest.replace(/.$/, (end) => (end === '0' ? '1' : '0')) }), 'false');
  });

  const unsafe: readonly (readonly [what: string, head: string, reason: RegExp])[] = [
    [
      'a native addon',
      "import { createRequire } from 'node:module'; createRequire(import.meta.url)('./a.node');",
      /node:module/,
    ],
    ['an addon that is required', "import './addon.cjs';", /No loader .*\.node/],
    ['a computed import', 'await import(process.argv[3] ?? "node:fs");', /import.*not be bundled|"import"/],
    ['import.meta beyond its path', "import.meta.resolve('./part.cjs');", /import\.meta beyond/],
    ['code in sloppy mode', "import './sloppy.cjs';", /sloppy\.cjs is not in strict mode/],
    ['worker threads', "import 'node:worker_threads';", /worker_threads/],
    ['direct eval', "eval('1');", /eval/],
    ['a file of the host', "import '../../etc/shadow';", /Could not resolve/],
    ['a package that is not there', "import 'left-out';", /Could not resolve/],
  ];
  test('what one module could do otherwise than its files is started from its files, with the reason', async (t) => {
    const more = {
      'dist/addon.cjs': "'use strict';\nrequire('./a.node');",
      'dist/a.node': '',
      'dist/sloppy.cjs': 'undeclared = 1;',
    };
    for (const [what, head, reason] of unsafe) {
      const start = await made(server(telling(t, "''", head, more), ['node', 'dist/server.mjs']));
      assert.ok('plain' in start, `${what}: ${JSON.stringify(start)}`);
      assert.match(start.plain, reason, what);
    }
    for (const command of [
      ['node', '--no-warnings', 'dist/server.mjs'],
      ['/usr/bin/python3', 'server.py'],
    ])
      assert.match(JSON.stringify(await made(server(telling(t, "''"), command))), /not node with a file/);
  });
});
