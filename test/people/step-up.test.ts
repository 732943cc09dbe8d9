import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../../src/contract/canonical-json.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import type { CallToConfirm } from '../../src/contract/step-up.ts';
import { Authorized, Validated } from '../../src/contract/tool-call.ts';
import { shownArguments } from '../../src/control-plane/issuer/pages/arguments.ts';
import { foreign } from '../../src/control-plane/issuer/pages/html.ts';
import { Confirmations } from '../../src/control-plane/issuer/step-up/confirmations.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { OnceStates } from '../../src/gateway/step-up/once-states.ts';
import { stepUpStage } from '../../src/gateway/step-up/stage.ts';
import { server } from '../edge/bench.ts';
import { known } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';

const CALL: CallToConfirm = {
  subject: 'alice',
  tenant: 'acme',
  subjectKey: 'k',
  server: 'notes',
  tool: 'export',
  arguments: '{"to":"bob"}',
};

function confirmations() {
  const clock = { at: 0 };
  const kept = new Confirmations('https://localhost:1', () => clock.at);
  const wait = (call: CallToConfirm) => {
    const answer = kept.ask(call);
    assert.ok(answer.kind === 'waiting');
    const waiting = kept.waiting(answer.id);
    assert.ok(waiting !== undefined);
    return waiting;
  };
  return { clock, kept, wait };
}

test('a confirmation is good for two minutes, once, for the call in each of its parts', () => {
  verifies('authn.human');
  const { clock, kept, wait } = confirmations();
  kept.confirm(wait(CALL));
  for (const part of ['subject', 'tenant', 'subjectKey', 'server', 'tool', 'arguments'] as const)
    assert.equal(kept.ask({ ...CALL, [part]: 'other' }).kind, 'waiting', part);
  assert.equal(kept.ask(CALL).kind, 'confirmed');
  assert.equal(kept.ask(CALL).kind, 'waiting');

  kept.confirm(wait(CALL));
  clock.at += 2 * 60_000 - 1;
  assert.equal(kept.ask(CALL).kind, 'confirmed');
  kept.confirm(wait(CALL));
  clock.at += 2 * 60_000;
  assert.equal(kept.ask(CALL).kind, 'waiting', 'run out');
});

test('a call waits for ten minutes; a subject’s many make only its own oldest give way', () => {
  const { clock, kept, wait } = confirmations();
  const bob = wait({ ...CALL, subject: 'bob', subjectKey: 'b' });
  const first = wait(CALL);
  for (let n = 0; n < 16; n++) wait({ ...CALL, arguments: `${n}` });
  assert.equal(kept.waiting(first.id), undefined);
  assert.ok(kept.waiting(bob.id));
  for (let n = 0; kept.ask({ ...CALL, subjectKey: `s${n}` }).kind !== 'full'; n++) assert.ok(n < 1024);
  assert.equal(kept.ask({ ...CALL, subjectKey: 'late' }).kind, 'full');
  assert.ok(kept.waiting(bob.id));
  clock.at += 10 * 60_000;
  assert.equal(kept.waiting(bob.id), undefined);
});

test('two texts are one call exactly where a server would read them alike: numbers by digit, members in any order', () => {
  verifies('authn.human');
  const same = ['{"a":1,"b":[true,null,"\u00e9"]}', ' { "b" : [ true, null, "\\u00E9" ] , "a":1 } '];
  assert.equal(new Set(same.map((raw) => canonicalJson(raw))).size, 1);
  const differ = ['1', '1.0', '9007199254740992', '9007199254740993', '"1"', '[1]', '1e0'];
  assert.equal(new Set(differ.map((raw) => canonicalJson(raw))).size, differ.length);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const raw = JSON.stringify(value);
      assert.deepEqual(JSON.parse(canonicalJson(raw)), JSON.parse(raw));
      assert.equal(canonicalJson(JSON.stringify(value, null, 3)), canonicalJson(raw));
    }),
  );
});

test('a person is shown every character of the arguments, and none of them is markup, hidden or out of its place', () => {
  verifies('authn.human');
  const unshown = (html: string) =>
    html
      .replace(/<mark[^>]*>U\+([0-9A-F]+)(?:×(\d+))?<\/mark>/g, (_, hex, times = 1) =>
        String.fromCodePoint(Number.parseInt(hex, 16)).repeat(Number(times)),
      )
      .replace(/<\/?(?:pre|bdi)[^>]*>/g, '');
  const plain = (html: string) =>
    unshown(html).replace(
      /&(amp|lt|gt|quot|#39);/g,
      (_, name) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" })[String(name)] ?? '',
    );
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const canonical = canonicalJson(JSON.stringify({ value, text }));
      const shown = shownArguments(canonical).text;
      assert.equal(canonicalJson(plain(shown)), canonical);
      assert.doesNotMatch(unshown(shown), /[<>]/);
    }),
  );
  const attack = '\u202eevil\u2066\u200b\u00ad\u3164<script>alert(1)</script>"\'\u0000\ufe0f\u{e0041}';
  assert.doesNotMatch(foreign(attack).text, /[\p{C}\p{DI}]|<script/u);
  assert.match(
    foreign(attack).text,
    /U\+202E.*U\+2066.*U\+200B.*U\+00AD.*U\+3164.*&lt;script&gt;.*U\+0000.*U\+FE0F.*U\+E0041/,
  );
  // Nothing is pushed out of sight, nor written over.
  const pushed = shownArguments(
    canonicalJson(JSON.stringify({ note: `hi${' '.repeat(20_000)}`, total: 1_000_000 })),
  ).text;
  assert.match(pushed, /U\+0020×19996/);
  assert.ok(pushed.length < 300);
  assert.match(foreign(`a${'\u0301\u0302'.repeat(50)}b`).text, /^<bdi>a\u0301\u0302\u0301<mark.*U\+0302/);
});

/** The stage, and calls of a tool that wants confirmation. */
function stage() {
  const { kept } = confirmations();
  const asked: CallToConfirm[] = [];
  const states = new Set<string>();
  const srv = { ...server('srv', ['export']), tools: { export: { step_up: 'mfa' as const } } };
  const confirm = stepUpStage({
    servers: [srv],
    confirm: async (call) => {
      asked.push(call);
      return kept.ask(call);
    },
    continues: (_call, state) => states.has(state),
    once: new OnceStates(memoryStore(Date.now)),
  });
  const call = (params: object, kind: 'User' | 'Workload' = 'User') => {
    const raw = JSON.stringify(params);
    const valid = new Validated(known({ method: 'tools/call', pin: srv.pins.tools[0] }, raw, kind), {
      arguments: undefined,
      raw,
    });
    return confirm(new Authorized(valid, { allow: true, policies: [], detail: '' }), {});
  };
  const reason = async (...given: Parameters<typeof call>) => {
    const error: unknown = await call(...given).then(
      () => 'confirmed',
      (reason) => reason,
    );
    return error instanceof Refusal ? [error.code, error.data?.url === undefined ? 'no address' : 'address'] : error;
  };
  return { asked, states, call, reason };
}

test('a call that goes on after a question is the same call, once for each state that it was given', async () => {
  verifies('authn.human');
  const { states, call, reason } = stage();
  states.add('sealed');
  const leg = { name: 'export', arguments: {}, requestState: 'sealed', inputResponses: { q: { action: 'accept' } } };
  assert.equal((await call(leg)).confirmation, undefined);
  assert.deepEqual(await reason(leg), ['step-up', 'address'], 'replayed');
  assert.deepEqual(await reason({ ...leg, requestState: 'forged' }), ['step-up', 'address']);
});

test('nobody is asked to confirm what could not be shown whole, or what nobody could confirm', async () => {
  verifies('authn.human');
  const { asked, reason } = stage();
  const name = 'export';
  const refused: [object, 'User' | 'Workload'][] = [
    [{ name, arguments: { text: 'x'.repeat(33 * 1024) } }, 'User'],
    [{ name, arguments: {}, amount: 7 }, 'User'],
    [{ name, arguments: {}, inputResponses: { q: {} } }, 'User'],
    [{ name, arguments: {} }, 'Workload'],
  ];
  for (const [params, kind] of refused) assert.deepEqual(await reason(params, kind), ['step-up', 'no address']);
  assert.equal(asked.length, 0);
  assert.deepEqual(await reason({ name }), ['step-up', 'address']);
  assert.equal(asked[0]?.arguments, '{}');
});
