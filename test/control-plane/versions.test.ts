import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callText, post, type Reply } from '../support/http.ts';
import { type Product, Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';

const TIMED = { timeout: 300_000 };
/** Calls that have reached the server and wait for the test. */
let held: (() => void)[] = [];
let arrived = (): void => undefined;
let tools: object[] = [];
const remote = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method, params } = JSON.parse(body || '{}');
  if (id === undefined) return void response.writeHead(202).end();
  if (params?.arguments?.hold === true)
    await new Promise<void>((resolve) => {
      held.push(resolve);
      arrived();
    });
  const answers: Readonly<Record<string, unknown>> = {
    initialize: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'notes', version: '1' },
    },
    'tools/list': { tools },
    'tools/call': { content: [{ type: 'text', text: 'done' }] },
  };
  const unknown = { error: { code: -32601, message: 'no such method' } };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(method in answers ? { result: answers[method] } : unknown) }));
});
const tool = (generation: string) => ({
  name: 'look',
  inputSchema: {
    type: 'object',
    required: [generation],
    properties: { [generation]: { type: 'boolean' }, hold: { type: 'boolean' } },
  },
});
const policy = (subject: string, when = '') =>
  `permit (principal == User::"${subject}", action == Action::"notes/look", resource == Tenant::"acme")${when};\n`;

let workspace: Workspace;
let product: Product;
let pins: string;
const path = (name: string): string => join(workspace.dir, name);
const write = (name: string, text: string): void => writeFileSync(path(name), text);
const json = async (...words: readonly string[]) => JSON.parse(await workspace.must('policy', ...words, '--json'));
const look = (token: string, args: object): Promise<Reply> =>
  post(product, callText('notes__look', JSON.stringify(args)), { token });
const records = (): readonly Record<string, unknown>[] =>
  readFileSync(path('.innerkeep/audit/audit.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

before(async () => {
  remote.listen(0, '127.0.0.1');
  await once(remote, 'listening');
  const address = remote.address();
  tools = [tool('old')];
  workspace = new Workspace({
    'innerkeep.yaml':
      'edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 100000/s, burst: 100000 } }\n',
    'policies/old.cedar': policy('alice'),
  });
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`;
  await workspace.must('add', url, '--name', 'notes', '--yes');
  pins = readFileSync(path('innerkeep.lock'), 'utf8');
  product = await workspace.up();
});
after(async () => {
  for (const release of held) release();
  await product?.stop();
  workspace?.remove();
  remote.close();
});

test('a dry run names whose answers would change, by incident, and changes none of them', TIMED, async () => {
  const [alice, bob] = [await product.token(), await product.token('--subject', 'bob', '--tenant', 'acme')];
  assert.equal((await look(alice, { old: true })).json.result.content[0].text, 'done');
  assert.equal((await look(alice, { old: false })).json.result.content[0].text, 'done');
  assert.equal((await look(bob, { old: true })).json.error.code, -32602);
  write('policies/old.cedar', policy('alice', ' when { context.args.old }') + policy('bob'));
  const { changed, bundle, rehearsal } = await json('push', '--dry-run');
  const incidents = new Map(records().map(({ incident, subject, event }) => [incident, [subject, event]]));
  const said = rehearsal.changed.map((one: Record<string, string>) => [
    ...[one.subject, one.action, one.before, one.after, incidents.get(one.incident)?.[0]],
  ]);
  assert.deepEqual(said, [
    ['bob', 'notes/look', 'deny', 'allow', 'bob'],
    ['alice', 'notes/look', 'allow', 'deny', 'alice'],
  ]);
  assert.deepEqual([changed, rehearsal.considered >= 3], [true, true]);
  assert.equal((await json('push', '--dry-run', '-n', '1')).rehearsal.considered, 1);
  // It was no push: version and answers are as they were, and so they are when what was tried cannot be used.
  assert.deepEqual((await json('history')).gateways, [{ name: 'local', connected: true, bundle }]);
  assert.equal((await look(bob, { old: true })).json.error.code, -32602);
  write('policies/old.cedar', 'permit (principal, action, resource);\n');
  const wrong = await workspace.run('policy', 'push', '--dry-run');
  assert.deepEqual([wrong.code, /old\.cedar:1:\d+: /.test(wrong.stderr)], [1, true], wrong.stderr);
  write('policies/old.cedar', policy('alice'));
});

test('history has who, when and why; a rollback is a new version with the policies of an old one', TIMED, async () => {
  const first = (await json('history')).versions.at(-1);
  write('policies/old.cedar', policy('alice') + policy('bob'));
  const { bundle } = await json('push', '--reason', 'bob may look\u202e');
  const pushed = (await json('history')).versions.at(-1);
  assert.deepEqual(
    [pushed.version, pushed.kind, pushed.who, pushed.why],
    [bundle, 'push', userInfo().username, 'bob may look\u202e'],
  );
  assert.equal(pushed.previous, first.digest);
  assert.ok(Math.abs(Date.parse(pushed.when) - Date.now()) < 60_000);
  // A terminal is shown nothing that could turn it round.
  assert.doesNotMatch(await workspace.must('policy', 'history'), /\u202e/);
  const diff = await workspace.must('policy', 'history', '--diff', `${first.version}..${bundle}`);
  assert.match(diff, /^policies\/old\.cedar:2\n\+permit \(principal == User::"bob"/);
  const bob = await product.token('--subject', 'bob', '--tenant', 'acme');
  assert.equal((await look(bob, { old: true })).json.result.content[0].text, 'done');

  const back = await json('push', '--rollback', String(first.version), '--reason', 'no');
  assert.deepEqual([back.changed, back.bundle], [true, bundle + 1]);
  assert.equal((await look(bob, { old: true })).json.error.code, -32602);
  assert.deepEqual((await json('history', '--diff', `${first.version}..${back.bundle}`)).changes, []);
  const { code, stderr } = await workspace.run('policy', 'push', '--rollback', '9999');
  assert.deepEqual([code, /no version 9999/.test(stderr)], [2, true], stderr);
});

test('a start goes on counting; a rollback to other pins is refused, naming them', TIMED, async () => {
  const { versions } = await json('history');
  await product.stop();
  product = await workspace.up();
  const after = (await json('history')).versions;
  assert.deepEqual(after.slice(0, versions.length), versions);
  assert.equal(after.at(-1).version, versions.at(-1).version + 1);
  tools = [tool('new')];
  await workspace.must('tools', 'approve', 'notes', '--yes');
  assert.equal((await json('push')).changed, true);
  const { code, stderr } = await workspace.run('policy', 'push', '--rollback', String(versions[0].version));
  assert.deepEqual([code, /other pins or settings: servers\/notes\/tools\/look/.test(stderr)], [2, true], stderr);
  write('innerkeep.lock', pins);
  await json('push');
});

test('1,000 calls in flight over pushes: each is of one version from end to end, and none is lost', TIMED, async () => {
  verifies('authz.default-deny', 'input.strict', 'observe.audit');
  const wave = 250;
  tools = [tool('new')];
  await workspace.must('tools', 'approve', 'notes', '--yes');
  const newPins = readFileSync(path('innerkeep.lock'), 'utf8');
  tools = [tool('old')];
  // Of each version: another file of policies, another schema of the one tool, another subject who may call it.
  const generations = {
    old: { lock: pins, who: 'alice' },
    new: { lock: newPins, who: 'bob' },
  } as const;
  type Generation = keyof typeof generations;
  const tokens = {
    old: await product.token('--ttl', '1h'),
    new: await product.token('--subject', 'bob', '--tenant', 'acme', '--ttl', '1h'),
  };
  const versions = new Map<number, Generation>();
  const push = async (generation: Generation): Promise<void> => {
    const { lock, who } = generations[generation];
    write('innerkeep.lock', lock);
    for (const name of ['old', 'new']) write(`policies/${name}.cedar`, name === generation ? policy(who) : '');
    const { bundle } = await json('push');
    versions.set(bundle, generation);
  };
  await push('old');
  const seen = records().length;

  // A wave of each generation's calls before, during and after each push; half of them wait at the server meanwhile.
  const calls: Promise<{ of: Generation; reply: Reply }>[] = [];
  const send = (of: Generation, count: number): void => {
    for (let n = 0; n < count; n++) {
      const reply = look(tokens[of], { [of]: true, ...(n % 2 === 0 && { hold: true }) });
      calls.push(reply.then((given) => ({ of, reply: given })));
    }
  };
  const heldNow = (count: number): Promise<void> =>
    new Promise((resolve) => {
      arrived = () => held.length >= count && resolve();
      arrived();
    });
  send('old', wave);
  await heldNow(4);
  send('new', wave);
  // From now on the server is what the new pin says: a call that was judged by the old one may be refused for that, too.
  tools = [tool('new')];
  const first = push('new');
  send('old', wave);
  send('new', wave);
  await first;
  const release = setInterval(() => {
    for (const go of held.splice(0)) go();
  }, 5);
  // Also where one of them was lost: what still ticks would keep this process from its end.
  const done = await Promise.all(calls).finally(() => clearInterval(release));
  held = [];
  assert.equal(done.length, 4 * wave);

  const mine = records().slice(seen);
  assert.equal([...versions.values()].join(), 'old,new');
  const outcomes = { old: 0, new: 0, refused: 0 };
  for (const { of, reply } of done) {
    const isDone = reply.json.result?.content?.[0]?.text === 'done';
    const code = reply.json.error?.code ?? reply.json.result?._meta?.['innerkeep/refusal']?.reason;
    const isRefused =
      [-32602, 'overload'].includes(code) || (of === 'old' && reply.json.error?.data?.reason === 'approval');
    assert.ok(isDone || isRefused || reply.status === 503, reply.text);
    outcomes[isDone ? of : 'refused']++;
  }
  // What happened is on record, each step under the version that all its stages went by.
  const byIncident = Map.groupBy(
    mine.filter(({ method }) => method === 'tools/call'),
    ({ incident }) => String(incident),
  );
  assert.equal(byIncident.size, 4 * wave);
  let completed = 0;
  for (const steps of byIncident.values()) {
    const [version, ...others] = new Set(steps.map(({ bundle }) => Number(bundle)));
    assert.deepEqual(others, [], JSON.stringify(steps));
    const generation = versions.get(version ?? 0);
    assert.ok(generation !== undefined, JSON.stringify(steps));
    const intent = steps.find(({ event }) => event === 'intent');
    if (intent === undefined) continue;
    if (generation === 'old' && steps.at(-1)?.code === 'changed') continue;
    completed++;
    assert.equal(intent.subject, generations[generation].who);
    assert.deepEqual(intent.policies, [`${generation}.cedar:1`]);
    assert.equal(steps.at(-1)?.event, 'outcome');
  }
  assert.equal(completed, outcomes.old + outcomes.new);
  assert.ok(outcomes.old > 0 && outcomes.new > 0 && outcomes.refused > 0, JSON.stringify(outcomes));
});
