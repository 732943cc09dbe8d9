import assert from 'node:assert/strict';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadOpa } from '../../src/drivers/policy-engine/opa/load.ts';
import { scratch } from '../support/scratch.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { opaTest, PATIENT } from './opa.ts';
import { files, question, worldWith } from './support.ts';

const POLICY = `package innerkeep
permit contains "public" if {
	input.principal.tenant == "acme"
	input.action in ["files/read_text_file", "files/list_directory"]
	input.resource.id == "acme"
	startswith(input.context.args.path, "/data/public/")
}
forbid contains "count" if to_number(input.context.args.content) > 3
`;
const asked = question({ path: '/data/public/a' });

opaTest('without OPA everything is denied and said once; started anew it is given its policies again', async (opa) => {
  verifies('authz.engine', 'authz.default-deny');
  const told: (string | undefined)[] = [];
  const sources = [{ file: 'a.rego', text: POLICY }];
  const { engine, close } = await loadOpa(
    sources,
    worldWith([files]),
    { url: opa.url },
    (why) => told.push(why),
    PATIENT,
  );
  const sees = (action: string) => engine.visible(question(undefined, { action }));
  assert.equal((await engine.decide(asked)).allow, true);
  await opa.stop();
  const answers = await Promise.all(Array.from({ length: 40 }, () => engine.decide(asked)));
  assert.ok(answers.every(({ allow, detail }) => !allow && detail.startsWith('policy engine: OPA: ')));
  assert.equal(await sees('files/list_directory'), false);
  assert.deepEqual([told.length, typeof told[0]], [1, 'string']);

  await opa.start();
  assert.deepEqual(await opa.held(), [], 'it has forgotten them');
  await until(() => sees('files/list_directory'));
  assert.equal((await engine.decide(asked)).allow, true);
  assert.equal(await sees('files/write_file'), false);
  assert.deepEqual(told.slice(1), [undefined]);
  await close();
  await assert.rejects(loadOpa(sources, worldWith([files]), { url: 'unix:/nowhere/opa.sock' }), /ENOENT/);
});

opaTest('a policy that fails denies, a forbid too; that is no fault of OPA', async (opa) => {
  verifies('authz.default-deny');
  const { engine } = await opa.load(POLICY);
  const verdict = await engine.decide(question({ path: '/data/public/a', content: 'x' }));
  assert.deepEqual([verdict.allow, /a policy failed: to_number/.test(verdict.detail)], [false, true], verdict.detail);
  assert.equal((await engine.decide(question({ path: '/data/public/../a' }))).notCanonical !== undefined, true);
  for (const hour of [24, -1, 1.5, Number.NaN])
    assert.equal((await engine.decide(question({ path: '/data/public/a' }, { hour }))).allow, false);
});

opaTest(
  'what only seems to be forbidden for all arguments is listed (a residual of OPA with `not true`)',
  async (opa) => {
    verifies('authz.default-deny');
    const { engine, problems } = await opa.load(`package innerkeep
permit contains "p" if {
	input.principal.tenant == "acme"
	input.action == "files/read_text_file"
	input.resource.id == "acme"
}
forbid contains "f" if not allowed_by_two
secret if { input.context.args.path != "b"; "staff" in input.principal.groups }
allowed_by_two if not secret
`);
    assert.deepEqual(problems, []);
    for (const groups of [[], ['staff']]) {
      assert.equal((await engine.decide(question({ path: 'b' }, { groups }))).allow, true);
      assert.equal(await engine.visible(question(undefined, { groups })), true);
    }
    assert.equal((await engine.decide(question({ path: 'a' }, { groups: ['staff'] }))).allow, false);
  },
);

opaTest(
  'a version comes in beside the one before, whole or not at all, and each answers by its own until it goes',
  async (opa) => {
    verifies('authz.engine');
    const first = await opa.load(POLICY);
    const inFlight = Array.from({ length: 60 }, () => first.engine.decide(asked));
    const broken = await opa.load(POLICY.replace('startswith(', 'startswith(('));
    assert.match(String(broken.problems[0]?.message), /non-terminated expression/);
    assert.deepEqual([broken.problems[0]?.file, broken.problems[0]?.line], ['test.rego', 6]);
    const second = await opa.load(POLICY.replace('"acme"', '"other"'));
    const [before, after] = await Promise.all([Promise.all(inFlight), second.engine.decide(asked)]);
    assert.ok(before.every(({ allow }) => allow));
    assert.deepEqual([after.allow, (await first.engine.decide(asked)).allow], [false, true]);
    assert.equal((await opa.held()).length, 2);
    await first.close();
    assert.equal((await first.engine.decide(asked)).allow, false);
    assert.equal((await opa.held()).length, 1);
  },
);

/** Whoever sits where OPA should: takes policies like OPA, and answers questions as it likes. */
async function impostor(t: TestContext, answer: (to: ServerResponse) => void) {
  const socket = join(scratch(t), 'opa.sock');
  let text = '';
  const listener: RequestListener = async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    if (request.method === 'PUT') text = body;
    if (request.method !== 'GET' && request.method !== 'PUT') return answer(response);
    response.end(JSON.stringify(request.method === 'PUT' ? {} : { result: { raw: text, ast: astOf(text) } }));
  };
  const server = createServer(listener).listen(socket);
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return loadOpa([{ file: 'a.rego', text: 'package innerkeep\n' }], worldWith([files]), { url: `unix:${socket}` });
}

/** Our own rules alone, as OPA would show them; five of them. */
function astOf(text: string) {
  const name = /^package innerkeep\.(\w+)/.exec(text)?.[1];
  const path = (...parts: string[]) => [
    { type: 'var', value: 'data' },
    ...parts.map((value) => ({ type: 'string', value })),
  ];
  const rule = (value: string) => ({ head: { ref: [{ type: 'var', value }] }, body: [] as object[] });
  const rules = ['permit', 'forbid', 'ask_caller', 'ask_operator', 'decision'].map(rule);
  rules[4]?.body.push({ terms: { type: 'ref', value: path('innerkeep', String(name), 'permit') } });
  return { package: { path: path('innerkeep', String(name)) }, rules };
}

const result = (value: unknown) => (to: ServerResponse) => void to.end(JSON.stringify({ result: value }));
const sets = { permit: [], forbid: [], ask_caller: [], ask_operator: [] };
const GARBAGE: Readonly<Record<string, (to: ServerResponse) => void>> = {
  'a plain yes': result(true),
  'a policy that is not ours': result({ ...sets, permit: ['p'] }),
  'the name that never holds': result({ ...sets, permit: [''] }),
  'an allow beside the sets': result({ ...sets, allow: true }),
  'a set that is a text': result({ ...sets, permit: 'all' }),
  'a set that is missing': result({ permit: [] }),
  'a name that is a number': result({ ...sets, permit: [1] }),
  nothing: (to) => void to.end(),
  'no JSON': (to) => void to.end('{"result": '),
  'a page': (to) => void to.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  'another place': (to) => void to.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
  'a fault': (to) => void to.writeHead(500).end('{}'),
  'a refusal': (to) => void to.writeHead(401).end('{"code":"unauthorized","message":"no"}'),
  'a broken answer': (to) => {
    to.writeHead(200, { 'content-length': '100' }).write('{');
    to.destroy();
  },
  'more than there is room for': (to) => {
    const more = () => {
      while (!to.destroyed && to.write('[" "],'.repeat(1000)));
    };
    to.on('drain', more).on('error', () => {});
    more();
  },
  'no answer at all': () => {},
};

for (const [what, answer] of Object.entries(GARBAGE))
  test(`what answers in OPA's place with ${what} permits nothing and lists nothing`, async (t) => {
    verifies('authz.engine', 'authz.default-deny');
    const { engine, problems } = await impostor(t, answer);
    assert.deepEqual(problems, []);
    const verdict = await engine.decide(asked);
    assert.deepEqual([verdict.allow, verdict.ask, verdict.policies], [false, undefined, []], verdict.detail);
    assert.match(verdict.detail, /^policy engine: OPA: |default deny/);
    assert.equal(await engine.visible(question(undefined)), false);
  });
