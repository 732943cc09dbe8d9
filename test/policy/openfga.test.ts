import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { RelationsFault, type Tuple } from '../../src/control-plane/relations/openfga.ts';
import { tuplesText } from '../../src/control-plane/relations/tuples.ts';
import { readRelations } from '../../src/drivers/policy-engine/cedar/relations.ts';
import { callText, post } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { follow, groupsOf, settings, tuple } from './relations.ts';

const STORE = '01HXXXXXXXXXXXXXXXXXXXXXXX';
/** A store that speaks as OpenFGA's HTTP API does (Read, ReadChanges), over a real socket. */
async function fakeStore(t: TestContext, page = 100) {
  const tuples: Tuple[] = [];
  const log: { tuple_key: Tuple; operation: string }[] = [];
  const asked: string[] = [];
  const fga = {
    asked,
    isAway: false,
    answer: undefined as unknown,
    write(one: Tuple) {
      tuples.push(one);
      log.push({ tuple_key: one, operation: 'TUPLE_OPERATION_WRITE' });
    },
    remove(one: Tuple) {
      tuples.splice(tuples.indexOf(one), 1);
      log.push({ tuple_key: one, operation: 'TUPLE_OPERATION_DELETE' });
    },
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://store');
    asked.push(`${request.method} ${pathname} ${request.headers.authorization}`);
    if (fga.isAway) return void response.writeHead(503).end('{}');
    const isRead = pathname === `/stores/${STORE}/read`;
    const all = isRead ? tuples.map((key) => ({ key })) : log;
    const from = Number(
      isRead ? (JSON.parse(body).continuation_token ?? 0) : (searchParams.get('continuation_token') ?? 0),
    );
    const part = all.slice(from, from + page);
    const next = from + part.length;
    const token = isRead && next >= all.length ? '' : String(next);
    const answer = { [isRead ? 'tuples' : 'changes']: part, continuation_token: token };
    response.end(JSON.stringify(fga.answer ?? answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  return { fga, url };
}

async function store(t: TestContext, page?: number) {
  const { fga, url } = await fakeStore(t, page);
  return { fga, ...follow(t, url, STORE) };
}

test('who is in which groups comes from the store page by page, and every change of it follows', async (t) => {
  verifies('authz.engine');
  const { fga, follower, told, turn } = await store(t, 7);
  for (let n = 0; n < 30; n++) fga.write(tuple(`team:t${n}`, `user:u${n % 3}`));
  fga.write(tuple('team:all', 'team:t1#member'));
  const viewer = tuple('doc:plan', 'user:u1', { relation: 'viewer' });
  fga.write(viewer);
  await follower.start();
  assert.equal(groupsOf(follower, 'u1').length, 11);
  assert.ok(groupsOf(follower, 'u1').includes('Group\nteam/all'));
  assert.ok(fga.asked.every((line) => line.endsWith(' Bearer preshared')));
  await turn();
  assert.equal(told.changed, 0);
  const bob = tuple('team:t1', 'user:bob');
  fga.write(bob);
  await turn();
  assert.deepEqual([told.changed, groupsOf(follower, 'bob')], [1, ['Group\nteam/all', 'Group\nteam/t1']]);
  fga.remove(bob);
  fga.remove(viewer);
  await turn();
  assert.deepEqual([told.changed, groupsOf(follower, 'bob')], [2, []]);
  assert.deepEqual(told.alerts, []);
});

test('while the store is away its last word counts for a time, with an alert, and then nobody is in its groups', async (t) => {
  verifies('authz.default-deny');
  const { fga, follower, told, turn } = await store(t);
  const alice = tuple('team:web', 'user:alice');
  fga.write(alice);
  await follower.start();
  fga.isAway = true;
  await turn();
  assert.match(told.alerts.at(-1) ?? '', /^the store of relations: it answers 503$/);
  assert.deepEqual([told.changed, groupsOf(follower, 'alice')], [0, ['Group\nteam/web']]);
  await turn();
  assert.equal(told.alerts.length, 1);
  await turn(70_000);
  assert.match(told.alerts.at(-1) ?? '', /nobody is in its groups any more/);
  assert.deepEqual([told.changed, follower.sources], [1, []]);
  // It was written to meanwhile: it is read anew.
  fga.remove(alice);
  fga.write(tuple('team:web', 'user:bob'));
  fga.isAway = false;
  await turn();
  assert.deepEqual([told.changed, told.alerts.at(-1)], [2, undefined]);
  assert.deepEqual([groupsOf(follower, 'alice'), groupsOf(follower, 'bob')], [[], ['Group\nteam/web']]);
});

test('a store that cannot be read stops the start; what it says otherwise than its API is not believed', async (t) => {
  verifies('authz.default-deny');
  const { fga, follower } = await store(t);
  const long = { tuples: [{ key: tuple(`team:${'x'.repeat(256)}`, 'user:bob') }], continuation_token: '' };
  const many = { tuples: Array(10_000).fill({}), continuation_token: '' };
  const none = { tuples: [], continuation_token: 7 };
  for (const answer of [{}, { tuples: [{}], continuation_token: '' }, none, 'no', long, many]) {
    fga.answer = answer;
    const brief = (error: unknown) => error instanceof RelationsFault && error.message.length < 1000;
    await assert.rejects(follower.start(), brief, JSON.stringify(answer).slice(0, 100));
  }
  fga.answer = undefined;
  fga.isAway = true;
  await assert.rejects(follower.start(), /it answers 503/);
});

const refused: Readonly<Record<string, readonly [Tuple, RegExp]>> = {
  'that stands under a condition': [tuple('team:a', 'user:x', { condition: { name: 'office_hours' } }), /condition/],
  'that is everybody': [tuple('team:a', 'user:*'), /everybody/],
  'of a type that is not named': [tuple('team:a', 'robot:x'), /neither a user nor a relation/],
  'by a relation that is not named': [tuple('team:a', 'team:b#owner'), /neither a user nor a relation/],
  'without a name': [tuple('team:a', 'user:'), /neither a user nor a relation/],
};
for (const [what, [one, why]] of Object.entries(refused))
  test(`a member ${what} is not left out of its group in silence: nothing is taken, and the tuple is named`, () => {
    verifies('authz.engine');
    assert.throws(() => tuplesText([one], settings), why);
    assert.throws(() => tuplesText([one], settings), /team:a#member@/);
    assert.equal(tuplesText([{ ...one, relation: 'guest' }], settings), '');
  });

test('property: whatever names a store has, they are read back as they are, and no name becomes another tuple', () => {
  verifies('authz.engine');
  const id = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !/[#]/.test(text) && text !== '*' && text.isWellFormed());
  fc.assert(
    fc.property(fc.array(fc.tuple(id, id), { minLength: 1, maxLength: 5 }), (pairs) => {
      const text = tuplesText(
        pairs.map(([team, user]) => tuple(`team:${team}`, `user:${user}`)),
        settings,
      );
      const { relations, problems } = readRelations([{ file: 'openfga.tuples', text }]);
      assert.deepEqual(problems, []);
      for (const [, user] of pairs) {
        const own = pairs.filter(([, other]) => other === user).map(([team]) => `Group\nteam/${team}`);
        assert.deepEqual([...relations.ancestors(`User\n${user}`, [])].sort(), [...new Set(own)].sort());
      }
    }),
    { numRuns: 300 },
  );
});

test('whom the store puts into a group may call, and whom it takes out may not any more, at a running gateway', {
  timeout: 400_000,
}, async (t) => {
  verifies('authz.engine', 'authz.default-deny');
  const { fga, url } = await fakeStore(t);
  const alice = tuple('team:web', 'user:alice');
  const workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 1000/s, burst: 1000 } }\nrelations: { openfga: { url: "${url}", store: ${STORE}, users: { user: "{id}" }, groups: { "team#member": "team/{id}" } } }\n`,
    'policies/p.cedar':
      'permit (principal in Group::"team/web", action == Action::"local/echo", resource == Tenant::"acme");\n',
    'local/server.cjs': `
      const say = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method } = JSON.parse(line);
        if (method === 'initialize')
          say(id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'l', version: '1' } });
        if (method === 'tools/list') say(id, { tools: [{ name: 'echo', inputSchema: { type: 'object', properties: {} } }] });
        if (method === 'tools/call') say(id, { content: [] });
      });`,
  });
  let product: Product | undefined;
  t.after(async () => {
    await product?.stop();
    workspace.remove();
  });
  await workspace.must('add', './local', '--name', 'local', '--yes', '--', 'node', 'server.cjs');
  fga.isAway = true;
  const { code, stderr } = await workspace.run('up');
  assert.deepEqual([code, /relations\.openfga: .*it answers 503/.test(stderr)], [2, true], stderr);
  fga.isAway = false;
  const started = await workspace.up();
  product = started;
  const token = await started.token();
  const answer = async () => (await post(started, callText('local__echo', '{}'), { token })).json;
  const isUnknown = async () => /Unknown tool/.test((await answer()).error?.message);
  assert.equal(await isUnknown(), true);
  fga.write(alice);
  await until(async () => (await answer()).result !== undefined);
  fga.remove(alice);
  await until(isUnknown);
});
