import assert from 'node:assert/strict';
import { generateKeyPairSync, hash } from 'node:crypto';
import { test } from 'node:test';
import { parseConfig } from '../../src/control-plane/config/load.ts';
import { ConfigError, SafetyError } from '../../src/control-plane/config/problem.ts';
import { Chain } from '../../src/control-plane/observability/chain.ts';
import { openLevels } from '../../src/control-plane/packages/open-levels.ts';
import { pinsOf } from '../../src/control-plane/packages/pins.ts';
import { suspectsOf } from '../../src/control-plane/packages/suspects.ts';
import { parseBundle, parseJwtAuthorities, TrustBundleError } from '../../src/control-plane/pki/spiffe/trust-bundle.ts';
import { scanManifest } from '../../src/control-plane/scan/manifests/scan-manifest.ts';
import { readRelations } from '../../src/drivers/policy-engine/cedar/relations.ts';
import { parseSources } from '../../src/drivers/policy-engine/cedar/sources.ts';
import { unservable } from '../../src/main/unservable.ts';
import { hostileObjects, isPolluted } from '../support/hostile-json.ts';
import { verifies } from '../support/verifies.ts';

const HANDSHAKE = '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}';

/** All that `add` does with what a server says of a tool. @returns why it could not be served */
function review(tool: string): readonly string[] {
  const pins = pinsOf({ handshake: HANDSHAKE, tools: [tool], prompts: [], resourceTemplates: [] });
  suspectsOf(pins, ['mail/send_mail']);
  pins.tools.map(openLevels);
  return unservable('s', pins.tools, {}).map(({ message }) => message);
}

const schema = (members: string) => `{"name":"t","inputSchema":{"type":"object",${members}}}`;

test('a tool’s schema that is an attack on its reader is refused at `add`, or judged, and ends', () => {
  verifies('input.bounds');
  for (const [what, text] of hostileObjects('properties', { size: 3_000_000, members: 50_000 })) {
    const tool = schema(text.slice(1, -1));
    if (/deep|cut/.test(what)) assert.throws(() => review(tool), SafetyError, what);
    else if (/key|string|members/.test(what)) assert.match(review(tool).join(), /descriptor above \d+ bytes/, what);
    else assert.deepEqual(review(tool), [], what);
  }
  const property = (value: string) => schema(`"properties":{"a":${value}}`);
  const nested = Array.from(
    { length: 60 },
    (_, at) => `"d${at}":{"anyOf":[{"$ref":"#/$defs/d${at + 1}"},{"$ref":"#/$defs/d${at + 1}"}]}`,
  );
  for (const [tool, why] of [
    [schema('"$ref":"#"'), /endless/],
    [property('{"type":"string","pattern":"((((a{1,100}){1,100}){1,100}){1,100})"}'), /too many steps/],
  ] as const)
    assert.match(review(tool).join(), why, tool);
  // Linear, whatever they look like: these are served.
  assert.deepEqual(review(property('{"type":"string","pattern":"^(a+)+$"}')), []);
  assert.deepEqual(review(schema(`"properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{${nested.join()},"d60":{}}`)), []);
  assert.equal(isPolluted(), false);
});

test('a description of megabytes in another coat is read to its end', () => {
  for (const coat of ['A', '\\\\x41', '%41', '&#65;', '\u{e0041}'])
    assert.deepEqual(
      review(
        `{"name":"t","description":"${coat.repeat(3_000_000 / coat.length)}","inputSchema":{"type":"object"}}`,
      ).slice(1),
      [],
    );
});

test('a configuration that is an attack on its reader is refused, with a line and few words', () => {
  const alias = Array.from({ length: 40 }, (_, at) => `b${at}: &b${at} [${at ? `*b${at - 1},*b${at - 1}` : 'x'}]`);
  const many = Array.from({ length: 20_000 }, (_, at) => `k${at}: 1`);
  for (const [what, yaml] of Object.entries({
    'lists, deep': `a: ${'['.repeat(5000)}`,
    'maps, deep': '{a: '.repeat(5000),
    'blocks, deep': `${'- '.repeat(5000)}x`,
    'a billion laughs': alias.join('\n'),
    'twenty thousand keys': many.join('\n'),
    'a key twice among them': `${many.join('\n')}\nk0: 2`,
    'a key of a megabyte': `? ${'k'.repeat(1_000_000)}\n: 1`,
    __proto__: 'servers: { __proto__: { isAdmin: true } }',
    constructor: 'servers: { constructor: { prototype: { isAdmin: true } } }',
  }))
    assert.throws(
      () => parseConfig('/nowhere/innerkeep.yaml', yaml),
      (error) =>
        error instanceof ConfigError &&
        /^\/nowhere\/innerkeep\.yaml:\d+:\d+: /.test(error.message) &&
        error.message.split('\n').length <= 101,
      what,
    );
  assert.equal(isPolluted(), false);
});

test('a manifest of tens of thousands of keys is scanned to its end, and one key twice is told', () => {
  const many = Array.from({ length: 40_000 }, (_, at) => `  k${at}: 1`).join('\n');
  const found = (rest: string) =>
    scanManifest('a.yaml', `apiVersion: v1\nkind: Pod\nspec: { hostPID: true }\nx:\n${many}\n${rest}`).map(
      ({ rule }) => rule.id,
    );
  assert.deepEqual(found(''), ['manifest.host-namespace']);
  assert.deepEqual(found('  k0: 2').sort(), ['manifest.host-namespace', 'manifest.unreadable']);
});

test('keys, policies, tuples and records that are attacks on their readers are refused in words, or read', () => {
  for (const [what, text] of hostileObjects('keys')) {
    assert.throws(() => parseBundle(text), TrustBundleError, what);
    assert.throws(() => parseJwtAuthorities(text), TrustBundleError, what);
  }
  for (const when of [
    '('.repeat(100_000),
    '!'.repeat(100_000),
    '['.repeat(100_000),
    '{a:'.repeat(100_000),
    `context${'.a'.repeat(100_000)}`,
    'if true then '.repeat(20_000),
  ]) {
    const { problems } = parseSources([
      { file: 'p.cedar', text: `permit(principal, action, resource) when { ${when} };` },
    ]);
    assert.deepEqual(
      problems.map(({ line, severity }) => [line, severity]),
      [[1, 'error']],
      when.slice(0, 20),
    );
  }
  const [problem] = readRelations([{ file: 'a.tuples', text: `User::"${'a'.repeat(1_000_000)}` }]).problems;
  assert.equal(problem?.line, 1);
  assert.ok((problem?.message.length ?? 0) < 1000);

  const key = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
  for (const [what, text] of hostileObjects('x')) {
    const record = `{"seq":1,"prev":"genesis",${text.slice(1, -1)}`;
    const taken = new Chain(key).take(`${record},"hash":"${hash('sha256', `${record}}`, 'base64url')}"}`);
    assert.equal(taken, what.startsWith('cut') ? 'not a record' : undefined, what);
  }
  assert.equal(isPolluted(), false);
});
