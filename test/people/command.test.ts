import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeJwt } from 'jose';
import { type Product, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';
import { asker } from './support/house.ts';
import { Visitor } from './support/visitor.ts';

let product: Product;
const workspace = new Workspace({
  'innerkeep.yaml': 'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\n',
  'policies/none.cedar': '// nobody may do anything\n',
});
before(async () => {
  product = await workspace.up();
});
after(async () => {
  await product?.stop();
  workspace.remove();
});

const people = (...argv: string[]) => workspace.run('people', ...argv);
const visitor = () => new Visitor({ origin: new URL(product.ready.mcp).origin, issuer: { handle: asker(product) } });

test('a link makes one person, once, with the groups of the last one; who is removed is gone, and his links with him', async () => {
  verifies('authn.human');
  const { stdout, stderr } = await people('invite', '--subject', 'alice', '--tenant', 'acme', '--group', 'finance');
  assert.match(stdout, /^https:\/\/localhost:\d+\/oauth\/enrol\/[\w-]{43}\n$/, 'a link, alone on stdout');
  assert.match(stderr, /becomes alice/);
  const alice = visitor();
  assert.equal((await alice.enrol(stdout.trim())).status, 200);
  assert.equal((await visitor().open(stdout.trim())).status, 404, 'used');
  const json = JSON.parse((await people('ls', '--json')).stdout);
  assert.deepEqual(
    json.people.map(({ subject, tenant, groups, passkeys }: Record<string, unknown>) => [
      subject,
      tenant,
      groups,
      passkeys,
    ]),
    [['alice', 'acme', ['finance'], 1]],
  );
  assert.match((await people('ls')).stdout, /^alice {2}acme {2}finance {2}1 passkey {2}never signed in\n$/);
  const second = JSON.parse((await people('invite', '--subject', 'alice', '--tenant', 'acme', '--json')).stdout).link;
  assert.match((await people('remove', 'alice')).stderr, /alice is removed/);
  assert.equal((await visitor().open(second)).status, 404);
  assert.equal((await people('ls')).stdout, '');
});

test('says what is wrong (exit 2), and nothing happens', async () => {
  const wrong: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['invite', '--subject', 'bob'], 2, /--tenant/],
    [['invite', '--subject', 'bob', '--tenant', 'acme', '--ttl', 'soon'], 2, /--ttl/],
    [['invite', '--subject', 'a#b', '--tenant', 'acme'], 2, /without "#"/],
    [['invite', '--subject', 'bob', '--tenant', 'acme', '--ttl', '25h'], 2, /ttl/],
    [['remove'], 2, /name a subject/],
    [['remove', 'nobody'], 2, /nobody is enrolled/],
    [['withdraw'], 2, /name a subject/],
    [['withdraw', 'nobody'], 2, /authorized nothing/],
    [['grow'], 2, /there are invite, ls/],
  ];
  for (const [argv, code, message] of wrong) {
    const ran = await people(...argv);
    assert.deepEqual([ran.code, ran.stdout], [code, ''], argv.join(' '));
    assert.match(ran.stderr, message, argv.join(' '));
  }
  assert.equal((await people('ls')).stdout, '');
  assert.equal((await people('grants')).stdout, '');
});

test('a token can be minted for less than its subject may; a scope that is none of ours is refused', async () => {
  const token = await product.token('--scope', 'mcp:files/read_text_file', '--scope', 'mcp:files#resources/read');
  assert.equal(decodeJwt(token).scope, 'mcp:files/read_text_file mcp:files#resources/read');
  for (const scope of ['files', 'mcp', 'mcp:', 'mcp:FILES', 'mcp:files/a b', 'mcp:files/"']) {
    const ran = await workspace.run('token', '--subject', 'a', '--tenant', 't', '--scope', scope);
    assert.deepEqual([ran.code, ran.stdout], [2, ''], scope);
  }
});
