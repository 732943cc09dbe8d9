import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { startPin } from '../../src/control-plane/packages/start-pin.ts';
import { absent } from '../sandbox/support/hosted.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { digestOf, install, rooms, server, telling } from './support/telling.ts';

/** A server that tells of itself what `expression` says, with a library whose code is `library`. */
function withLibrary(t: TestContext, expression: string, library: string, drawing = '') {
  const root = telling(t, expression, "import * as library from 'library'; import * as drawing from 'drawing';", {
    'node_modules/drawing/index.mjs': drawing,
    'node_modules/drawing/package.json': '{ "name": "drawing", "exports": "./index.mjs" }',
    'node_modules/library/package.json': '{ "name": "library", "type": "module", "exports": "./index.js" }',
    'node_modules/library/index.js': library,
  });
  return server(root, ['node', 'dist/server.mjs', 'one', '--two']);
}

/**
 * The hashes of a string that is a property's name since before the snapshot, out of V8's heap and the snapshot's own bytes:
 * a hash stands before the length, that before the letters; where its last two bits are 2 it has been computed
 * (v8/src/objects/name.h). With one seed for all starts they would be alike.
 */
const hashes = `(() => {
  const [maps, memory] = [fs.readFileSync('/proc/self/maps', 'latin1'), fs.openSync('/proc/self/mem')];
  const word = Buffer.from(['a property', 'name of the library'].join("'s "));
  const found = new Set();
  for (const [, from, to] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw.. 00000000 00:00 0 *$/gm)) {
    const bytes = Buffer.alloc(Math.min(parseInt(to, 16) - parseInt(from, 16), 2 ** 24));
    try { fs.readSync(memory, bytes, 0, bytes.length, parseInt(from, 16)); } catch { continue; }
    for (let at = bytes.indexOf(word); at >= 8; at = bytes.indexOf(word, at + 1))
      if (bytes.readUInt32LE(at - 4) === word.length && (bytes[at - 8] & 3) === 2) found.add(bytes.readUInt32LE(at - 8));
  }
  if (found.size === 0) throw new Error('not in the heap');
  return [...found].sort().join('/');
})()`;

suite('a server that starts from a snapshot', { skip: absent('bubblewrap') }, () => {
  test('an SDK server is pinned to one, and answers from it byte for byte as from its files', async (t) => {
    const { asked, made } = rooms(t);
    const sdk = readFileSync(join(import.meta.dirname, '../../bench/support/sdk/server.mjs'), 'utf8');
    const root = scratch(t, { 'server.mjs': sdk });
    for (const name of ['@modelcontextprotocol/sdk', 'zod']) install(root, name);
    const plain = server(root, ['node', 'server.mjs']);
    const { snapshot, bundle } = await made(plain);
    const start = await startPin(plain, await asked(plain), made, asked);
    assert.deepEqual(start, { snapshot: digestOf(snapshot), bundle: digestOf(bundle) });
  });

  test('it sees its own arguments, environment and files; its libraries have run once, before it', async (t) => {
    const { told, made } = rooms(t);
    const plain = withLibrary(
      t,
      `JSON.stringify([process.argv, process.execArgv, process.env, process.cwd(), process.title, import.meta.url,
        Object.getOwnPropertyNames(globalThis).sort(), new WebAssembly.Memory({ initial: 1 }).buffer.byteLength, ...library.seen,
        readFileSync(library.place, 'utf8')]) + await import('node:os').then((os) => os.hostname())`,
      `import { readFileSync } from 'node:fs';
globalThis.readFileSync = readFileSync;
export const place = import.meta.filename;
export const seen = [[...process.argv], [...process.execArgv], process.env.HOME, process.env.DEBUG, process.cwd()];`,
    );
    const { snapshot } = await made(plain);
    assert.equal(await told({ ...plain, start: { snapshot: digestOf(snapshot), only: true } }), await told(plain));
    const counting = withLibrary(t, '++library.ran.times', 'export const ran = { times: 0 }; ran.times += 1;');
    const start = { snapshot: digestOf((await made(counting)).snapshot), only: true } as const;
    for (const _ of [1, 2])
      assert.equal(await told({ ...counting, start }), '2', 'nothing of one start is in the next');
  });

  test('no two starts share randomness, clock, process or hash seed, whatever its libraries kept hold of', async (t) => {
    verifies('sandbox.isolation');
    const { told, made } = rooms(t);
    const plain = withLibrary(
      t,
      `[library.randomUUID(), library.draw(), library.now(), new library.Clock().getTime(), performance.timeOrigin,
        library.getRandomValues.call(crypto, new Uint32Array(1)), crypto.randomUUID(), library.randomInt(2 ** 40), ${hashes}]`,
      `import crypto, { randomInt, randomUUID } from 'node:crypto';
import fs from 'node:fs';
globalThis.fs = fs;
export { randomInt, randomUUID };
export const [draw, now, Clock, { getRandomValues }] = [Math.random, Date.now, Date, globalThis.crypto];
globalThis.named = { "a property's name of the library": 1 };`,
    );
    const start = { snapshot: digestOf((await made(plain)).snapshot), only: true } as const;
    const [one, two] = [(await told({ ...plain, start })).split(','), (await told({ ...plain, start })).split(',')];
    assert.equal(one.length, 9);
    for (const [index, value] of one.entries()) assert.notEqual(value, two[index], `${index}`);
  });

  const asked: readonly (readonly [library: string, noted: string])[] = [
    ['globalThis.seed = Math.random();', 'Math.random'],
    ['crypto.getRandomValues(new Uint8Array(8));', 'crypto.getRandomValues'],
    ['globalThis.id = nodeCrypto.webcrypto.randomUUID();', 'crypto.randomUUID'],
    ['globalThis.key = nodeCrypto.randomBytes(16);', 'crypto.randomBytes'],
    ['globalThis.began = new Date();', 'the clock'],
    ['globalThis.me = process.pid;', 'process.pid'],
    ['globalThis.colours = process.stdout.isTTY;', 'process.stdout'],
    ['process.on("exit", () => {});', 'process.on'],
    ['setInterval(() => {}, 1000).unref();', 'setInterval()'],
    ['try { process.env.https_proxy.length } catch {}', 'process.env.https_proxy'],
    ['globalThis.variables = { ...process.env };', 'all of process.env'],
    ['globalThis.there = existsSync("/data/config");', 'fs.existsSync'],
    ['globalThis.fast = typeof WebAssembly;', 'WebAssembly'],
    ['globalThis.fork = process.getBuiltinModule("child_process").fork;', "node's module child_process"],
  ];
  const impossible: readonly (readonly [library: string, reason: RegExp])[] = [
    ["import { createServer } from 'node:http'; globalThis.make = createServer;", /asks for node's module node:http/],
    ['globalThis.began = Date.now();', /asks for the clock/],
    ['await 1; globalThis.late = Math.random();', /asks for Math\.random/],
    ['await new Promise(() => {});', /something that does not come/],
    ["import { createHash } from 'node:crypto'; globalThis.running = createHash('sha256');", /node takes no snapshot/],
  ];
  test('what a library asks for at its top that is each start’s own keeps its server from one, and add says so', async (t) => {
    const { asked: live, made } = rooms(t);
    const head = `import nodeCrypto from 'node:crypto'; import { existsSync } from 'node:fs';\n`;
    const all = asked.map(([library]) => library).join('\n');
    const reason = new RegExp(`asks for ${asked.map(([, noted]) => noted.replace(/[.()]/g, '\\$&')).join(', ')}`);
    for (const [library, against] of [...impossible, [head + all, reason] as const]) {
      const plain = withLibrary(t, "'the same'", library, 'Math.random();');
      const { snapshot, bundle } = await made(plain);
      assert.ok('digest' in bundle, library);
      if ('plain' in snapshot) assert.match(snapshot.plain, against, library);
      else {
        const start = { snapshot: snapshot.digest, only: true } as const;
        await assert.rejects(live({ ...plain, start }), against, library);
      }
    }
    const quiet = withLibrary(t, "'the same'", 'Math.random();', 'Date.now();');
    const pin = await startPin(quiet, await live(quiet), made, live);
    assert.match(JSON.stringify(pin), /^\{"bundle":"sha256-[0-9a-f]{64}","noSnapshot":".*asks for Math\.random/);
  });

  test('a library that draws at its top is evaluated at each start, and the others beforehand all the same', async (t) => {
    const { told, made } = rooms(t);
    const expression = "[drawing.seed, new Error().stack.includes('/tmp/script.cjs'), library.fit()]";
    const library = 'const made = globalThis.drawn === undefined; export const fit = () => made;';
    const plain = withLibrary(t, expression, library, 'export const seed = Math.random(); globalThis.drawn = seed;');
    const { snapshot, bundle } = await made(plain);
    const start = { snapshot: digestOf(snapshot), only: true } as const;
    const [one, two] = [await told({ ...plain, start }), await told({ ...plain, start })];
    assert.match(one, /^0\.\d+,true,true$/);
    assert.notEqual(one, two);
    const other = { snapshot: `sha256-${'0'.repeat(64)}`, bundle: digestOf(bundle) };
    assert.match(await told({ ...plain, start: other }), /,false,true$/, 'what is not the pinned one is not used');
  });
});
