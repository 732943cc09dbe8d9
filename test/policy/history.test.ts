import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { GatewayServer } from '../../src/contract/bundle.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';
import { authorizeStage } from '../../src/gateway/authorization/authorize.ts';
import { Histories } from '../../src/gateway/authorization/histories.ts';
import { verifies } from '../support/verifies.ts';
import { historyUse, nobody, validated } from './calls.ts';
import { decide, engineOf, server, tool } from './support.ts';

const mail: GatewayServer = {
  pins: server('mail', [tool('inbox', {}), tool('browse', {}), tool('send', { to: { type: 'string' } })]),
  tools: { inbox: { reads: ['private'] }, browse: { reads: ['untrusted'] }, send: { writes: ['external'] } },
  deadline: 1,
  maxResult: 1,
};
/** What users are given; here without the operator, so that it denies at once. */
const READY_MADE = readFileSync(new URL('../../examples/policies/lethal-combination.cedar', import.meta.url), 'utf8');
const LETHAL = `
permit (principal in Tenant::"acme", action in [Action::"mail/inbox", Action::"mail/browse", Action::"mail/send"], resource == Tenant::"acme");
${READY_MADE.replace('@ask("operator")', '')}`;

function house(text = LETHAL) {
  const clock = { now: Date.UTC(2026, 10, 29) };
  const { engine, problems } = loadCedar([{ file: 'l.cedar', text }], {
    servers: [mail],
    facts: { ip_risk: false, device: false },
  });
  assert.deepEqual(problems, []);
  const now = () => clock.now;
  const histories = new Histories(now);
  const unasked = { clock: { now, setTimer: () => () => undefined }, confirm: () => Promise.reject() };
  const authorize = authorizeStage({
    engine,
    servers: [mail],
    now,
    ipRisk: () => undefined,
    histories,
    historyUse,
    ...unasked,
  });
  const session = (key: string) => {
    const over = new AbortController();
    return { over, session: { key, ended: over.signal, notify: () => undefined } };
  };
  const may = (
    name: string,
    of: { session: ReturnType<typeof session>['session'] | undefined },
    who = 'alice',
  ): boolean => {
    try {
      authorize(validated(who, 'mail', name), { ...nobody, ...of });
      return true;
    } catch (error) {
      assert.ok(error instanceof Refusal && error.code === 'policy', String(error));
      return false;
    }
  };
  return { may, session, clock, histories };
}

test('no external write after private data and untrusted content, while they are read even, in this session alone', () => {
  verifies('authz.question');
  const { may, session } = house();
  const [one, two] = [session('1'), session('2')];
  assert.equal(may('send', one), true);
  assert.equal(may('inbox', one), true);
  assert.equal(may('send', one), true);
  // Nothing has been executed yet: a read in flight counts.
  assert.equal(may('browse', one), true);
  assert.equal(may('send', one), false);
  assert.equal(may('send', two), true);
  assert.equal(may('browse', two), true);
  assert.equal(may('inbox', two, 'bob'), true);
  assert.equal(may('send', two), true);
});

test('a refused call reads nothing; a session that is over is forgotten, and its key is nobody else’s', () => {
  verifies('authz.question');
  const { may, session } = house();
  const one = session('1');
  for (const name of ['inbox', 'browse']) may(name, one);
  assert.equal(may('send', one), false);
  one.over.abort();
  assert.equal(may('send', session('1')), true);
});

test('who keeps no session has one history, however many connections, until an hour without a call', () => {
  verifies('authz.question');
  const { may, clock } = house();
  const none = { session: undefined };
  for (const name of ['inbox', 'browse']) assert.equal(may(name, none), true);
  clock.now += 59 * 60_000;
  assert.equal(may('send', none), false);
  assert.equal(may('inbox', none), true);
  clock.now += 59 * 60_000;
  assert.equal(may('send', none), false);
  assert.equal(may('send', none, 'bob'), true);
  clock.now += 61 * 60_000;
  assert.equal(may('send', none), true);
});

test('the ready-made policy asks an operator, and nobody else', () => {
  verifies('authz.question');
  const engine = engineOf(`${LETHAL.split('\n').slice(0, 2).join('\n')}\n${READY_MADE}`, [mail.pins]);
  const send = (reads: readonly string[]) =>
    decide(engine, { to: 'x' }, { action: 'mail/send', tool: { writes: ['external'] }, session: { reads } });
  assert.deepEqual([send(['private']).allow, send(['private', 'untrusted']).allow], [true, false]);
  assert.equal(send(['untrusted', 'private']).ask, 'operator');
});

test('a text that was suspected labels its session, also where no tool declares it, and policies may ask for it', () => {
  verifies('authz.question');
  const text = `permit (principal in Tenant::"acme", action == Action::"mail/send", resource == Tenant::"acme")
  unless { context.session.reads.contains("suspected") };`;
  const { may, histories, session } = house(text);
  const [one, two] = [session('1'), session('2')];
  const { subject } = validated('alice', 'mail', 'send');
  histories.read(subject, one.session, 'suspected', historyUse);
  assert.deepEqual(
    [histories.of(subject, one.session).reads, histories.of(subject, two.session).reads],
    [['suspected'], []],
  );
  assert.deepEqual([may('send', one), may('send', two)], [false, true]);
});
