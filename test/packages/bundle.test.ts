import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { startPin } from '../../src/control-plane/packages/start-pin.ts';
import { absent } from '../sandbox/support/hosted.ts';
import { scratch } from '../support/scratch.ts';
import { digestOf, install, rooms, server, telling } from './support/telling.ts';

suite('a server that starts from one module', { skip: absent('bubblewrap') }, () => {
  test('an SDK server answers byte for byte as from its files, and two bundles of it are the same', async (t) => {
    const { asked, made } = rooms(t);
    const sdk = readFileSync(join(import.meta.dirname, '../../bench/support/sdk/server.mjs'), 'utf8');
    const root = scratch(t, { 'server.mjs': sdk });
    for (const name of ['@modelcontextprotocol/sdk', 'zod']) install(root, name);
    const plain = server(root, ['node', 'server.mjs']);
    const bundle = digestOf((await made(plain)).bundle);
    assert.equal(digestOf((await made(plain)).bundle), bundle);
    assert.deepEqual(await asked({ ...plain, start: { bundle, only: true } }), await asked(plain));
  });

  test('it sees its own arguments, environment, files and places, and nothing of the start', async (t) => {
    const { told, made } = rooms(t);
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
    const bundled = { ...plain, start: { bundle: digestOf((await made(plain)).bundle), only: true } } as const;
    assert.equal(await told(bundled), await told(plain));
    assert.match(await told(bundled), /"\/srv\/dist\/server\.mjs","one","--two"/);
  });

  test('nothing is evaluated before the start: clock and randomness are of each start alone', async (t) => {
    const { told, asked, made } = rooms(t);
    const plain = server(telling(t, '[crypto.randomUUID(), Math.random(), Date.now(), performance.timeOrigin]'), [
      'node',
      'dist/server.mjs',
    ]);
    const bundled = { ...plain, start: { bundle: digestOf((await made(plain)).bundle), only: true } } as const;
    const [one, two] = [(await told(bundled)).split(','), (await told(bundled)).split(',')];
    for (const [index, value] of one.entries()) assert.notEqual(value, two[index]);
    const start = await startPin(plain, await asked(plain), made, asked);
    assert.deepEqual(start, { plain: 'it says other things of itself from its bundle' });
  });

  test('a module that is not the pinned one is not run, also when it was kept: its files are, or nothing', async (t) => {
    const { told, made, state } = rooms(t);
    const root = telling(t, "new Error().stack.includes('/opt/innerkeep/start/bundle.mjs')");
    const plain = server(root, ['node', 'dist/server.mjs']);
    const bundle = digestOf((await made(plain)).bundle);
    const other = bundle.replace(/.$/, (end) => (end === '0' ? '1' : '0'));
    assert.equal(await told({ ...plain, start: { bundle } }), 'true');
    assert.equal(await told({ ...plain, start: { bundle: other } }), 'false');
    await assert.rejects(told({ ...plain, start: { bundle: other, only: true } }), /the lock pins/);
    const kept = join(state, 'starts');
    const before = readFileSync(join(kept, bundle), 'utf8');
    for (const name of readdirSync(kept)) writeFileSync(join(kept, name), before.replace('true', 'false'));
    assert.equal(await told({ ...plain, start: { bundle, only: true } }), 'true');
    assert.equal(readFileSync(join(kept, bundle), 'utf8'), before, 'made anew from the files');
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
    const { made } = rooms(t);
    for (const [what, head, reason] of unsafe) {
      const { bundle } = await made(server(telling(t, "''", head, more), ['node', 'dist/server.mjs']));
      assert.ok('plain' in bundle, `${what}: ${JSON.stringify(bundle)}`);
      assert.match(bundle.plain, reason, what);
    }
    for (const command of [
      ['node', '--no-warnings', 'dist/server.mjs'],
      ['/usr/bin/python3', 'server.py'],
    ])
      assert.match(JSON.stringify(await made(server(telling(t, "''"), command))), /not node with a file/);
  });
});
