import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayServer } from '../../src/contract/bundle.ts';
import type { JsonObject } from '../../src/contract/json.ts';
import type { PolicyEngine, Question } from '../../src/contract/policy-engine.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import {
  Arrived,
  Authenticated,
  type Authorized,
  type ExecutedMethod,
  Framed,
  Known,
  type Subject,
  Validated,
} from '../../src/contract/tool-call.ts';
import { authorizeStage, visibility } from '../../src/gateway/authorization/authorize.ts';
import { Histories } from '../../src/gateway/authorization/histories.ts';
import { refusalAnswer } from '../../src/gateway/protocol/respond.ts';
import { noEvents } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';
import { historyUse, nobody } from './calls.ts';
import { engineOf, files, PUBLIC_FILES } from './support.ts';

const NOON = Date.UTC(2026, 10, 22, 12, 30);
const own: GatewayServer = { pins: files, tools: {}, deadline: 1000, maxResult: 1000 };
const acmes: GatewayServer = { ...own, tenant: 'acme' };

function subject(more: Partial<Subject> = {}): Subject {
  return {
    id: 'alice',
    kind: 'User',
    tenant: 'acme',
    groups: [],
    acr: undefined,
    authTime: undefined,
    key: 'k',
    tokenId: undefined,
    ...more,
  };
}

function call(who: Subject, method: ExecutedMethod, action: string, params: JsonObject): Validated {
  const arrived = new Arrived({
    incident: 'i',
    at: NOON,
    remote: '',
    server: undefined,
    transport: 'streamable',
    httpMethod: 'POST',
    query: '',
    headers: {},
    body: async () => new Uint8Array(),
    signal: new AbortController().signal,
    events: noEvents,
  });
  const head = { revision: '2025-11-25', modern: false, id: '1', response: undefined } as const;
  const frame = { ...head, method, params, paramsRaw: '' };
  const target = { server: 'files', method, action, pin: undefined, params, paramsRaw: '', headers: [] };
  const known = new Known(new Framed(new Authenticated(arrived, who, 0), frame), target);
  return new Validated(known, { arguments: params.arguments, raw: '' });
}

function read(path: string, who = subject()): Validated {
  return call(who, 'tools/call', 'files/read_text_file', { name: 'read_text_file', arguments: { path } });
}

function refusal(run: () => unknown): Refusal {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error;
  }
  throw new Error('not refused');
}

function stage(server: GatewayServer, engine: PolicyEngine = engineOf(PUBLIC_FILES)) {
  const histories = new Histories(() => NOON);
  const unasked = { clock: { now: () => NOON, setTimer: () => () => undefined }, confirm: () => Promise.reject() };
  const deps = {
    engine,
    servers: [server],
    now: () => NOON,
    ipRisk: () => undefined,
    histories,
    historyUse,
    ...unasked,
  };
  const authorize = authorizeStage(deps);
  return (validated: Validated): Authorized => {
    const authorized = authorize(validated, nobody);
    if (authorized instanceof Promise) throw new Error('nobody is asked');
    return authorized;
  };
}

test('hands on what policy permits, with the policies that determined it', () => {
  verifies('authz.question');
  assert.deepEqual(stage(own)(read('/data/public/a')).verdict.policies, ['test.cedar:1']);
});

test('refuses what no permit allows as `policy`, what a policy compares and is not canonical as `validation`', () => {
  verifies('authz.default-deny');
  const night = engineOf(`${PUBLIC_FILES}forbid (principal, action, resource) when { context.hour == 12 };`);
  assert.equal(refusal(() => stage(own)(read('/data/private/a'))).code, 'policy');
  assert.deepEqual(
    [
      refusal(() => stage(own, night)(read('/data/public/a'))).code,
      refusal(() => stage(own, night)(read('/data/public/a'))).detail,
    ],
    ['policy', 'forbidden by test.cedar:6'],
  );
  assert.equal(refusal(() => stage(own)(read('/data/public/../secret'))).code, 'validation');
});

test("keeps tenants apart whatever the policy says: what is another tenant's answers as if it did not exist", () => {
  verifies('authz.no-wildcards', 'authz.default-deny');
  const yes: PolicyEngine = { decide: () => ({ allow: true, policies: [], detail: '' }), visible: () => true };
  const mallory = subject({ tenant: 'evil' });
  assert.equal(refusal(() => stage(acmes, yes)(read('/data/public/a', mallory))).code, 'unknown');
  const resource = call(mallory, 'resources/read', 'files#resources/read', { uri: 'file:///x' });
  assert.equal(refusal(() => stage(acmes, yes)(resource)).code, 'unknown-resource');
  assert.equal(refusal(() => stage({ ...own, pins: { ...files, name: 'other' } }, yes)(read('/x'))).code, 'unknown');
  assert.equal(refusal(() => stage(own, yes)(read('/x', subject({ tenant: '' })))).code, 'unknown');
  const visible = visibility({ engine: yes, now: () => NOON });
  assert.equal(visible(mallory, 'files/read_text_file', acmes), false);
  assert.equal(visible(subject({ tenant: '' }), 'files/read_text_file', own), false);
  assert.equal(visible(subject(), 'files/read_text_file', acmes), true);
});

test('lists show each subject only what it may call', () => {
  verifies('authz.default-deny');
  const visible = visibility({ engine: engineOf(PUBLIC_FILES), now: () => NOON });
  const listed = (who: Subject) =>
    files.tools.filter(({ name }) => visible(who, `files/${name}`, own)).map(({ name }) => name);
  assert.deepEqual(listed(subject()), ['read_text_file', 'list_directory']);
  assert.deepEqual(listed(subject({ tenant: 'evil' })), []);
});

test('asks with the hour in UTC, the age of a second factor where there was one, and the arguments of the method', () => {
  verifies('authz.question');
  const asked: Question[] = [];
  const engine: PolicyEngine = {
    decide: (question) => {
      asked.push(question);
      return { allow: true, policies: [], detail: '' };
    },
    visible: () => true,
  };
  const authorize = stage(own, engine);
  const since = NOON / 1000 - 90;
  authorize(
    call(subject({ acr: 'phr', authTime: since }), 'resources/read', 'files#resources/read', {
      uri: 'file:///x',
      _meta: {},
    }),
  );
  authorize(
    call(subject({ acr: 'pwd', authTime: since }), 'prompts/get', 'files#prompts/get', {
      name: 'p',
      arguments: { a: 'b' },
    }),
  );
  authorize(call(subject({ acr: 'phr' }), 'completion/complete', 'files#completion/complete', { ref: {} }));
  authorize(
    call(subject({ acr: 'phr', authTime: since + 100 }), 'resources/list', 'files#resources/list', { cursor: 'c' }),
  );
  assert.deepEqual(
    asked.map(({ context, arguments: args }) => [context.hour, context.mfa_age_s, args]),
    [
      [12, 90, { uri: 'file:///x' }],
      [12, undefined, { name: 'p' }],
      [12, undefined, {}],
      [12, 0, {}],
    ],
  );
});

test('a token opens no more than its scopes name; who may by policy is told the missing one (RFC 6750 §3.1)', () => {
  verifies('authz.engine', 'authn.edge');
  const by = (scopes: readonly string[], path = '/data/public/a') => stage(own)(read(path, subject({ scopes })));
  for (const scopes of [['mcp:files'], ['mcp:notes', 'mcp:files/read_text_file']]) assert.ok(by(scopes).verdict.allow);
  for (const scopes of [['mcp:notes'], ['mcp:file'], ['mcp:files/read'], ['mcp:files/'], ['mcp:'], ['mcp:FILES'], []]) {
    const refused = refusal(() => by(scopes));
    assert.equal(refused.code, 'scope');
    assert.equal(refused.challenge, [...scopes, 'mcp:files/read_text_file'].join(' '));
  }
  assert.equal(refusal(() => by(['mcp:notes', 'a"b'])).challenge, 'mcp:notes mcp:files/read_text_file');
  // Where policy says no, a scope would not help, and none is named.
  assert.equal(refusal(() => by(['mcp:notes'], '/data/secret/a')).code, 'policy');

  const edge = {
    origin: 'https://localhost:8443',
    serverNames: [],
    allowedOrigins: [],
    unauthenticated: 421,
    maxBody: 1,
  } as const;
  const { arrived } = read('/data/public/a');
  const { status, headers } = refusalAnswer(
    refusal(() => by(['mcp:notes'])),
    arrived,
    edge,
  );
  assert.deepEqual(
    [status, headers['www-authenticate']],
    [
      403,
      'Bearer error="insufficient_scope", scope="mcp:notes mcp:files/read_text_file", ' +
        'resource_metadata="https://localhost:8443/.well-known/oauth-protected-resource/mcp"',
    ],
  );
});
