import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CallerSession } from '../../src/contract/caller.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { Executed, type Framed, type Revision, Screened, type Subject } from '../../src/contract/tool-call.ts';
import { ContextBudgets } from '../../src/gateway/limits/context.ts';
import { redactJson } from '../../src/gateway/output-sanitization/redact-json.ts';
import { sanitizeStage } from '../../src/gateway/output-sanitization/sanitize.ts';
import { type FitDeps, fit, readOn } from '../../src/gateway/remainders/fit.ts';
import { LIMITS, type RemainderLimits } from '../../src/gateway/remainders/limits.ts';
import { type MayHave, Remainders } from '../../src/gateway/remainders/remainders.ts';
import { SealedTexts } from '../../src/gateway/remainders/sealed.ts';
import { request } from '../interaction/support.ts';
import { TestClock } from '../sessions/support.ts';
import { verifies } from '../support/verifies.ts';
import { samples } from './samples.ts';

const github = samples['github-token']?.[0]?.secret ?? '';
const mayAll: MayHave = () => true;
const without = { left: () => Number.POSITIVE_INFINITY, take: () => {} };

interface Who {
  readonly subject?: string;
  readonly tenant?: string;
  readonly modern?: boolean;
  readonly revision?: Revision;
  readonly endpoint?: string | undefined;
}

/** The rooms behind the filter, with a clock that the test turns. */
function world(limits: Partial<RemainderLimits> = {}, allowance: FitDeps['allowance'] = without, maxAnswer = 8192) {
  const clock = new TestClock();
  const remainders = new Remainders(clock, limits);
  const deps: FitDeps = { remainders, allowance, maxAnswer: () => maxAnswer };
  const sanitize = sanitizeStage({
    outbound: (_call, raw) => raw,
    fit: (call, whole, session) => fit(deps, call, whole, session),
  });
  const framed = (who: Who) => {
    const { call } = request({ ...who, method: 'tools/call' });
    const arrived = { ...call.arrived, server: who.endpoint };
    return { ...call, arrived, frame: { ...call.frame, ...(who.revision && { revision: who.revision }) } };
  };
  const answered = (text: string, who: Who = {}, session?: CallerSession, delimit?: Screened['delimit']) => {
    const executed = new Executed(
      framed(who) as never,
      JSON.stringify({ content: [{ type: 'text', text }] }),
      undefined,
    );
    const { result, cut } = sanitize(new Screened(executed, undefined, delimit), session);
    return { ...JSON.parse(result), cut, bytes: Buffer.byteLength(result) };
  };
  const read = async (uri: unknown, who: Who = {}, session?: CallerSession, may: MayHave = mayAll) => {
    const call = framed(who);
    const frame = { ...call.frame, method: 'resources/read', params: { uri } };
    const found = await readOn(deps, { ...call, frame } as never as Framed, session, may);
    return found && { ...JSON.parse(found.result), action: found.action };
  };
  return { clock, remainders, answered, read };
}

function session(key = 'one'): { readonly session: CallerSession; end(): void } {
  const ended = new AbortController();
  return { session: { key, ended: ended.signal, notify: () => {} } as CallerSession, end: () => ended.abort() };
}

interface Piece {
  readonly contents: readonly { readonly text: string }[];
  readonly _meta: object;
}

/** All pieces, from the first on, by the way that the answer and each piece name. */
async function readAll(first: string, read: (uri: string) => Promise<Piece>): Promise<string> {
  let text = '';
  for (let next: string | undefined = first; next !== undefined; ) {
    const { contents, _meta: meta } = await read(next);
    const { next: following } = (meta as { 'innerkeep/rest': { next?: string } })['innerkeep/rest'];
    text += contents
      .slice(0, following === undefined ? undefined : -1)
      .map((one) => one.text)
      .join('');
    next = following;
  }
  return text;
}

const refused = (act: () => unknown, code = 'unknown-resource', detail = /./) =>
  assert.rejects(
    async () => act(),
    (error) => error instanceof Refusal && error.code === code && detail.test(error.detail),
    String(act),
  );
const long = 'a line of it\n'.repeat(20_000);

test('the rest of a cut answer is read to its end, at both kinds of endpoints, in both eras', async () => {
  verifies('output.size');
  for (const modern of [false, true])
    for (const endpoint of [undefined, 'srv']) {
      const who = { modern, endpoint };
      const { answered, read } = world();
      const { content, cut, bytes, _meta: meta } = answered(long, who);
      assert.ok(bytes <= 8192 && cut > 200_000);
      const [first, note, link] = content;
      assert.match(link.uri, endpoint === undefined ? /^srv\+innerkeep:rest\// : /^innerkeep:rest\//);
      assert.deepEqual([link.type, meta['innerkeep/rest'].next], ['resource_link', link.uri]);
      assert.ok(note.text.includes(link.uri));
      assert.equal(first.text + (await readAll(link.uri, (uri) => read(uri, who))), long);
      const piece = await read(link.uri, who);
      assert.equal(piece.action, 'srv/tool');
      assert.deepEqual([piece.resultType, piece.cacheScope], modern ? ['complete', 'private'] : [undefined, undefined]);
    }
});

test('a client that knows no resource links reads where the rest is', async () => {
  verifies('output.size');
  const { content } = world().answered(long, { revision: '2025-03-26' });
  assert.deepEqual(
    content.map(({ type }: { type: string }) => type),
    ['text', 'text'],
  );
  assert.match(content[1].text, /srv\+innerkeep:rest\/\S+\/1 /);
});

test('refuses the rest to another subject, tenant, session and endpoint, and to whoever guesses ids', async () => {
  verifies('output.size');
  const { answered, read } = world();
  const [mine, other] = [session('one'), session('two')];
  const uri: string = answered(long, {}, mine.session).content[2].uri;
  assert.ok(await read(uri, {}, mine.session));
  await refused(() => read(uri, { subject: 'mallory' }, mine.session), undefined, /another subject/);
  await refused(() => read(uri, { tenant: 'evil' }, mine.session), undefined, /another subject/);
  await refused(() => read(uri, {}, other.session), undefined, /another session/);
  await refused(() => read(uri, {}), undefined, /another session/);
  await refused(() => read(uri.slice(4), { endpoint: 'srv' }, mine.session), undefined, /another endpoint/);
  await refused(() => read(uri.replace('srv+', 'files+'), {}, mine.session), undefined, /another server/);
  await refused(() => read(uri.replace('srv+', ''), {}, mine.session), undefined, /another server/);
  const id = /rest\/([^/]+)/.exec(uri)?.[1] ?? '';
  for (const guess of [
    ...['/1', '/0', '/01', '/1.5', '/-1', '/1e1', '/1/', '/999', '/1?x', '/%31', '/1#x', '//1', ''].map(
      (end) => id + end,
    ),
    `${'A'.repeat(32)}/1`,
    `${id.toLowerCase()}/1`,
    `../${id}/1`,
    '__proto__/1',
  ])
    if (guess !== `${id}/1`) await refused(() => read(`srv+innerkeep:rest/${guess}`, {}, mine.session));
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 0, maxLength: 60 }), async (guess) => {
      if (guess !== `${id}/1`) await refused(() => read(`srv+innerkeep:rest/${guess}`, {}, mine.session));
    }),
  );
  for (const elsewhere of ['file:///x', 'srv+file:///innerkeep:rest/', 'innerkeep:other', 7, undefined])
    assert.equal(await read(elsewhere), undefined);
});

test('refuses the rest when its time or its session is over, and forgets it', async () => {
  verifies('output.size');
  const { answered, read, clock } = world();
  const mine = session();
  const first: string = answered(long).content[2].uri;
  clock.pass(LIMITS.ttl - 1);
  assert.ok(await read(first));
  clock.pass(1);
  await refused(() => read(first));
  const second: string = answered(long, {}, mine.session).content[2].uri;
  mine.end();
  await refused(() => read(second, {}, mine.session), undefined, /not there/);
});

test('refuses the rest once policy, stop or revocation takes the call away', async () => {
  verifies('output.size', 'authz.default-deny');
  const { answered, read, remainders } = world();
  const uri: string = answered(long).content[2].uri;
  const asked: unknown[] = [];
  const deny: MayHave = (subject: Subject, ...question) => {
    asked.push([subject.id, ...question]);
    return false;
  };
  await refused(() => read(uri, {}, undefined, deny), undefined, /not permitted any more/);
  assert.deepEqual(asked, [['alice', 'srv', 'srv/tool', {}, '127.0.0.1']]);
  assert.ok(await read(uri));
  remainders.revoke(({ id }) => id === 'mallory');
  assert.ok(await read(uri));
  remainders.revoke(({ id }) => id === 'alice');
  await refused(() => read(uri), undefined, /not there/);
});

test('a flood of large answers costs its own subject the oldest, and nobody else any', async () => {
  verifies('output.size');
  const { answered, read } = world({ perSubject: 4, total: 6, totalBytes: 2_000_000 });
  const others: string = answered(long, { subject: 'bob' }).content[2].uri;
  const uris = Array.from({ length: 40 }, (): string => answered(long).content[2].uri);
  assert.ok(await read(others, { subject: 'bob' }));
  for (const uri of uris.slice(0, 36)) await refused(() => read(uri));
  for (const uri of uris.slice(36)) assert.ok(await read(uri));
  // By the bytes of one subject: none of them is too much, and the second takes the first one's room.
  const small = world({ bytes: 400_000 });
  const [one, two] = [1, 2].map((): string => small.answered(long).content[2].uri);
  await refused(() => small.read(one));
  assert.ok(await small.read(two));
});

test('where there is no room the answer is cut all the same, and says that the rest is not kept', async () => {
  verifies('output.size');
  const full = world({ total: 1 });
  const kept: string = full.answered(long, { subject: 'bob' }).content[2].uri;
  for (const { answered } of [full, world({ bytes: 1000 }), world({ totalBytes: 1000 })]) {
    const { content, _meta: meta, bytes } = answered(long);
    assert.ok(bytes <= 8192);
    assert.match(content.at(-1).text, /not kept/);
    assert.deepEqual([content.length, meta['innerkeep/rest'].next], [2, undefined]);
  }
  assert.ok(await full.read(kept, { subject: 'bob' }));
});

test('a secret that lies across the cut, or between two pieces, is in neither of them nor in both together', async () => {
  verifies('output.size', 'output.secrets');
  const places = (from: number) => Array.from({ length: 50 }, (_, index) => from + 20 * index);
  for (const at of [...places(5500), ...places(69_000)]) {
    const { answered, read } = world({}, without, 8192);
    const { content } = answered(`${'word '.repeat(at / 5)}${github}${' word'.repeat(14_000)}`);
    const all = content[0].text + (await readAll(content[2].uri, (uri) => read(uri)));
    assert.ok(!all.includes(github.slice(0, 12)), `${at}`);
    assert.ok(all.includes('[redacted:github-token]'), `${at}`);
    assert.equal(redactJson(JSON.stringify(all)).json, JSON.stringify(all));
  }
});

test('each piece of a suspected answer is marked as the answer is', async () => {
  const { answered, read } = world();
  const delimit = (result: string) => result.replace('[', '["mark",');
  const { content } = answered(long, {}, undefined, delimit);
  assert.equal(content[0], 'mark');
  assert.equal((await read(content[3].uri))?.contents[0], 'mark');
});

test('what is kept is encrypted under a key of its own, and one piece does not stand for another', async () => {
  const texts = new SealedTexts(['first', 'second']);
  assert.deepEqual(
    [texts.open(0), texts.open(1), texts.open(2), texts.open(-1)],
    ['first', 'second', undefined, undefined],
  );
  texts.destroy();
  assert.throws(() => texts.open(0), /authenticate/);
});

/** A bound of so many bytes for each session, or each subject in an hour. */
function bounded(bytes: number) {
  let now = 0;
  const budgets = new ContextBudgets(() => now);
  const limit = { bytes, window: 3_600_000 };
  const allowance: FitDeps['allowance'] = {
    left: (subject, in_) => budgets.left(subject, in_, limit),
    take: (subject, in_, taken) => budgets.take(subject, in_, limit, taken),
  };
  return { ...world({}, allowance, 100_000), pass: (ms: number) => (now += ms) };
}

test('no session is given more bytes than its budget: the last answer is cut to it, and then each is refused', async () => {
  verifies('output.size');
  const { answered, read } = bounded(60_000);
  const [mine, other] = [session('one'), session('two')];
  let given = 0;
  for (let round = 0; round < 3; round++) given += answered('x'.repeat(18_000), {}, mine.session).bytes;
  const last = answered('y'.repeat(18_000), {}, mine.session);
  assert.ok(last.cut > 0 && given + last.bytes <= 60_000, `${given} ${last.bytes}`);
  // Of what is left nothing can be made, not even a small answer; and the pieces count too.
  await refused(() => answered('z', {}, mine.session), 'context');
  await refused(() => read(last.content[2].uri, {}, mine.session), 'context');
  assert.equal(answered('z', {}, other.session).cut, undefined);
});

test('without a session the budget is the subject’s, for its time, and the refusal says when', async () => {
  verifies('output.size', 'limits.subject');
  const { answered, pass } = bounded(20_000);
  answered('x'.repeat(17_000));
  assert.throws(
    () => answered('x'),
    (error) => error instanceof Refusal && error.code === 'rate' && error.challenge === '3600',
  );
  assert.ok(answered('x', { subject: 'bob' }));
  pass(3_600_000);
  assert.ok(answered('x'));
});
