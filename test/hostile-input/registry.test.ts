import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SafetyError } from '../../src/control-plane/config/problem.ts';
import { Packuments } from '../../src/control-plane/packages/registry.ts';
import { addRooms } from '../support/add-rooms.ts';
import { hostileObjects, isPolluted } from '../support/hostile-json.ts';
import { type Published, registry, tarEntry } from '../support/registry.ts';
import { verifies } from '../support/verifies.ts';

const NAME = 'acme-inventory-server';
const MIB = 1024 ** 2;
/** By how many MiB this process may have grown, at its highest: a document is 64, as text, as bytes and as objects. */
const GROWTH = 1024;
const json = { 'content-type': 'application/json' };
const peak = (): number => process.resourceUsage().maxRSS / 1024;
const main = { path: 'package/main.js', text: 'console.log(1)' };
const good: Published = {
  name: NAME,
  version: '1.2.3',
  manifest: { bin: 'main.js' },
  entries: [main],
  signature: 'good',
};

async function rooms(t: TestContext) {
  const served = await registry(t, { keys: true }, good);
  const room = addRooms(t, {}, served.env);
  const run = () => room.add(`npm:${NAME}@1.2.3`, '--name', 'inv', '--yes', '--accept-unverified');
  const store = join(room.home, '.innerkeep/store');
  const kept = () => (existsSync(store) ? readdirSync(store) : []);
  const refused = async (why: RegExp, what: string) => {
    await assert.rejects(run(), (error) => error instanceof SafetyError && why.test(error.message), what);
    assert.deepEqual([room.read('innerkeep.lock'), kept()], [undefined, []], what);
  };
  const document = await (await fetch(`${served.env.npm_config_registry}${NAME}`)).text();
  return { ...served, room, run, refused, document, entry: () => join(store, kept()[0] ?? '') };
}

/** As many bytes as are taken, and then more. */
function endless(response: ServerResponse, piece: Buffer): void {
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}

/** Packed like a bomb: members of one gzip file are one after the other (RFC 1952 §2.2). */
const bomb = (mebibytes: number, fill: string, first: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([gzipSync(first), ...Array(mebibytes / 64).fill(gzipSync(Buffer.alloc(64 * MIB, fill)))]);

test('a package document that is an attack on its reader is refused, or read, and the next one is taken', async (t) => {
  verifies('input.bounds');
  const { run, refused, instead, document } = await rooms(t);
  const before = peak();
  const within = (member: string, value: string) =>
    document.replace('"version":"1.2.3"', `"version":"1.2.3","${member}":${value}`);
  const many = `{${Array.from({ length: 1_000_000 }, (_, at) => `"p${at}":"1"`).join()}}`;
  const says = (body: string) => (response: ServerResponse) => void response.writeHead(200, json).end(body);
  const attacks: readonly (readonly [string, RegExp, (response: ServerResponse) => void])[] = [
    ['endless', /more than 64 MiB for \/acme/, (response) => endless(response, Buffer.alloc(MIB, ' '))],
    [
      'small on the wire',
      /more than 64 MiB for \/acme/,
      (response) => void response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(bomb(1024, ' ')),
    ],
    ['no object', /no document of a package/, says('null')],
    ['no JSON', /no JSON/, says('{"versions":')],
    ['not of a package', /not of a package/, says(within('dependencies', '[[]]'))],
    ['a million dependencies', /more than 5000 packages in dependencies/, says(within('dependencies', many))],
    [
      'a text that is taken for a list',
      /more than 5000 packages/,
      says(within('dependencies', `"${'s'.repeat(1e6)}"`)),
    ],
  ];
  for (const [what, why, attack] of attacks) {
    instead.set(NAME, attack);
    await refused(why, what);
  }
  for (const [what, body] of hostileObjects('engines', { size: 10_000_000, members: 100_000 })) {
    if (what.startsWith('cut')) continue;
    instead.set(NAME, says(within('x', '1').replace('"x":1', body.slice(1, -1))));
    assert.equal(await run(), 0, what);
  }
  instead.clear();
  assert.equal(await run(), 0);
  assert.equal(isPolluted(), false);
  assert.ok(peak() - before < GROWTH, `${peak() - before} MiB more`);
});

test('a registry that invents packages without an end, each needing the next, is refused', async (t) => {
  const { refused, instead, document } = await rooms(t);
  const name = (at: number): string => (at === 0 ? NAME : `acme-inventory-${at}`);
  const filler = `"readme":"${'x'.repeat(60 * MIB)}"`;
  for (let at = 0; at < 6; at++) {
    const [head = '', tail = ''] = document.replaceAll(NAME, name(at)).split('"version":"1.2.3"');
    const needs = `"version":"1.2.3","dependencies":{"${name(at + 1)}":"1.2.3"}`;
    instead.set(
      name(at),
      (response) => void response.writeHead(200, json).end([head, needs, ',', filler, tail].join('')),
    );
  }
  await refused(/documents of this tree are more than 256 MiB/, 'large ones');

  const packuments = new Packuments({ allowFile: 'none' });
  for (let at = 0; at < 5000; at++) await assert.rejects(packuments.get(`corgi:file:/${at}`), /no URL of the web/);
  await assert.rejects(packuments.get('corgi:file:/5000'), /more than 5000 packages/);
});

test('a tarball that is an attack on who unpacks it is refused before anything of it is unpacked', async (t) => {
  verifies('input.bounds');
  const { run, refused, instead, publish } = await rooms(t);
  const before = peak();
  const own = tarEntry({ path: 'package/package.json', text: JSON.stringify({ name: NAME, version: '1.2.3' }) });
  const empty = (at: number) => tarEntry({ path: `package/${at}` });
  const large = tarEntry({ path: 'package/large', size: 4 * 1024 * MIB });
  for (const [what, why, tarball] of [
    ['gigabytes of zeros', /more than 2147483648 bytes would be unpacked/, bomb(2112, '\0', large)],
    [
      'countless files',
      /more than 100000 files would be unpacked/,
      gzipSync(Buffer.concat(Array.from({ length: 100_001 }, (_, at) => empty(at)))),
    ],
    ['no gzip', /Z_DATA_ERROR/, own],
    ['cut', /Z_BUF_ERROR/, gzipSync(own).subarray(0, -20)],
  ] as const) {
    publish({ ...good, tarball });
    await refused(why, what);
  }
  publish(good);
  instead.set(`${NAME}/-/x.tgz`, (response) => endless(response, Buffer.alloc(MIB)));
  await refused(/more than 128 MiB for /, 'endless');
  instead.clear();
  assert.equal(await run(), 0);
  assert.ok(peak() - before < GROWTH, `${peak() - before} MiB more`);
});

test('links, devices and names that lead out of a tarball leave nothing, inside or outside', async (t) => {
  const { run, publish, entry, room } = await rooms(t);
  const pax = (path: string) => {
    const record = ` path=${path}\n`;
    const length = [1, 2, 3]
      .map((digits) => record.length + digits)
      .find((all) => String(all).length === all - record.length);
    return [
      { path: 'pax', type: 'x', text: `${length}${record}` },
      { path: 'package/by-pax', text: 'x' },
    ];
  };
  publish({
    ...good,
    entries: [
      main,
      { path: 'package/hard', link: '/etc/passwd', type: '1' },
      { path: 'package/soft', link: '/etc/passwd' },
      { path: 'package/character', type: '3' },
      { path: 'package/block', type: '4' },
      { path: 'package/pipe', type: '6' },
      { path: 'package/../../../../planted', text: 'x' },
      ...pax('package/../../../../planted'),
      ...pax('/planted'),
      ...pax('package/nul\0/../../../planted'),
      { path: `package/${'d/'.repeat(40)}deep`, text: 'x' },
    ],
  });
  assert.equal(await run(), 0);
  const found = readdirSync(entry(), { recursive: true, withFileTypes: true });
  const names = found.filter((one) => !one.isDirectory()).map((one) => one.name);
  // A path that climbs or is absolute is one below the package, and one ends at its NUL.
  assert.deepEqual(names.sort(), ['deep', 'main.js', 'nul', 'package.json', 'planted']);
  for (const place of ['/planted', join(room.home, 'planted'), join(room.home, '.innerkeep/planted')])
    assert.ok(!existsSync(place), place);
});
