import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../src/contract/refusal.ts';
import { createCatalogue } from '../../src/gateway/descriptors/catalogue.ts';
import { fieldValue } from '../../src/gateway/descriptors/mirrored-arguments.ts';
import { decodeHeader } from '../../src/gateway/protocol/headers.ts';
import { revisionOf } from '../../src/gateway/protocol/revision.ts';
import { type Bench, modern, openBench, server } from '../edge/bench.ts';
import { verifies } from '../support/verifies.ts';

const tool = (name: string, properties: object, more: object = {}) => ({
  name,
  raw: JSON.stringify({ name, inputSchema: { type: 'object', properties, ...more } }),
  digest: '',
});

const marked = tool('query', {
  region: { type: 'string', 'x-mcp-header': 'Region' },
  count: { type: 'integer', 'x-mcp-header': 'Count' },
  dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
  o: { type: 'object', properties: { deep: { type: 'string', 'x-mcp-header': 'Deep' } } },
  plain: { type: 'string' },
});

async function withBench(use: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = await openBench({ servers: [server('db', [], { tools: [marked] })] });
  try {
    await use(bench);
  } finally {
    await bench.close();
  }
}

const code = ({ body }: { body: string }): unknown => JSON.parse(body).error?.code ?? 'ok';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

test('2026-07-28: every way in which headers and body can disagree is refused', () => {
  verifies('input.strict');
  const good = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'a b' };
  const read = (
    headers: Record<string, string | undefined>,
    params: object = {},
    method = 'tools/call',
    meta = META,
  ) => {
    try {
      return revisionOf(
        { method, params: { name: 'a b', uri: 'x:é', ...params, _meta: meta }, isRequest: true },
        { ...good, ...headers },
      );
    } catch (error) {
      return error instanceof Refusal ? error.code : error;
    }
  };
  assert.equal(read({}), '2026-07-28');
  assert.equal(read({ 'mcp-name': '\t a b ' }), '2026-07-28', 'white space round a value is no part of it');
  assert.equal(read({ 'mcp-name': '=?base64?YSBi?=' }), '2026-07-28');
  assert.equal(
    read({ 'mcp-method': 'resources/read', 'mcp-name': '=?base64?eDrDqQ==?=' }, {}, 'resources/read'),
    '2026-07-28',
  );
  assert.equal(read({ 'mcp-method': 'tools/list', 'mcp-name': 'anything' }, {}, 'tools/list'), '2026-07-28');
  for (const headers of [
    { 'mcp-protocol-version': undefined },
    { 'mcp-protocol-version': '' },
    { 'mcp-protocol-version': '2026-07-29' },
    { 'mcp-protocol-version': '2026-07-28, 2026-07-28' },
    { 'mcp-method': undefined },
    { 'mcp-method': '' },
    { 'mcp-method': 'TOOLS/CALL' },
    { 'mcp-method': 'tools/call, tools/call' },
    { 'mcp-name': undefined },
    { 'mcp-name': '' },
    { 'mcp-name': 'A b' },
    { 'mcp-name': 'a  b' },
    { 'mcp-name': 'a b, a b' },
    { 'mcp-name': '\u00a0a b' },
    { 'mcp-name': '=?base64?YSBi?= x' },
    { 'mcp-name': '=?BASE64?YSBi?=' },
    { 'mcp-name': '=?base64?YSB i?=' },
    { 'mcp-name': '=?base64?YSBj?=' },
    { 'mcp-name': '=?base64?YSBiAA?=' },
    { 'mcp-name': '=?base64?77u/YSBi?=' },
  ]) {
    assert.equal(read(headers), 'header-mismatch', JSON.stringify(headers));
  }
  for (const name of [undefined, 7, null, ['a b']]) assert.equal(read({}, { name }), 'header-mismatch');
  // A mismatch is judged before a version that nobody speaks, and both before what else is missing.
  const far = { ...META, 'io.modelcontextprotocol/protocolVersion': 'v999' };
  assert.equal(read({}, {}, 'tools/call', far), 'header-mismatch');
  assert.equal(read({ 'mcp-protocol-version': 'v999' }, {}, 'tools/call', far), 'unsupported-version');
  const mute: object = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
  assert.equal(read({ 'mcp-method': 'x' }, {}, 'tools/call', mute as typeof META), 'missing-envelope');
});

const points = fc.array(fc.integer({ min: 0, max: 0x10ffff })).map((codes) => String.fromCodePoint(...codes));

test('a header value in either spelling is the text that was meant', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), points), (text) => {
      fc.pre(text.isWellFormed());
      const field = fieldValue(text) ?? '';
      assert.match(field, /^[\x20-\x7e]*$/);
      assert.equal(decodeHeader(`\t ${field} `), text);
    }),
    { examples: [['=?base64?YQ==?='], ['=?base64??='], [' '], [''], ['\r\nx: y'], ['世界'], ['\ufeffa']] },
  );
  assert.equal(fieldValue('us west 1'), 'us west 1');
  assert.equal(fieldValue(''), '');
  for (const value of [null, undefined, {}, [], 0.5, 2 ** 53]) assert.equal(fieldValue(value), undefined);
});

test('a server gets the declared Mcp-Param headers from the arguments, whichever era the client is of', async () => {
  await withBench(async (bench) => {
    const args = { region: 'Größe ', count: 42, dry: false, o: { deep: '' }, plain: 'x' };
    const declared = {
      'mcp-param-region': '=?base64?R3LDtsOfZSA=?=',
      'mcp-param-count': '42',
      'mcp-param-dry': 'false',
      'mcp-param-deep': '',
    };
    const sent = () => {
      const headers = bench.calls.at(-1)?.target.headers ?? [];
      return Object.fromEntries(
        Array.from({ length: headers.length / 2 }, (_, at) => headers.slice(2 * at, 2 * at + 2)),
      );
    };
    await bench.rpc('tools/call', { name: 'db__query', arguments: args });
    assert.deepEqual(sent(), declared);
    await bench.rpc(
      'tools/call',
      { name: 'db__query', arguments: { region: null, o: 'no object' } },
      { headers: { 'mcp-param-region': 'us', 'mcp-param-other': 'x' } },
    );
    assert.deepEqual(sent(), {}, 'of an older client the headers mean nothing');
    assert.equal(code(await modern(bench, 'tools/call', { name: 'db__query', arguments: args }, declared)), 'ok');
    assert.deepEqual(sent(), declared);
    const spelled = { ...declared, 'mcp-param-count': '42.0', 'mcp-param-deep': '=?base64??=' };
    assert.equal(code(await modern(bench, 'tools/call', { name: 'db__query', arguments: args }, spelled)), 'ok');
    assert.deepEqual(sent(), declared, 'what is judged is what is sent');
  });
});

test('Mcp-Param headers that no declaration knows go on as they came, bounded', async () => {
  verifies('input.bounds');
  await withBench(async (bench) => {
    const unknown = {
      'mcp-param-other': '=?base64?not base64 at all',
      'mcp-param-x-y': 'a, "b"\tc',
      'mcp-param-': 'e',
    };
    const call = (headers: Record<string, string>, method = 'tools/call', params: object = { name: 'db__query' }) =>
      modern(bench, method, { ...params }, headers);
    assert.equal(code(await call({ ...unknown, 'x-mcp-param-z': 'z', authorization: 'Bearer good' })), 'ok');
    assert.deepEqual(bench.calls.at(-1)?.target.headers, Object.entries(unknown).flat());
    assert.equal(code(await call(unknown, 'resources/read', { uri: 'db+x:y' })), 'ok');
    assert.deepEqual(bench.calls.at(-1)?.target.headers, Object.entries(unknown).flat());
    const twice = { 'mcp-param-Region': 'us' };
    assert.equal(code(await call(twice, 'tools/call', { name: 'db__query', arguments: {} })), 'ok');
    assert.deepEqual(bench.calls.at(-1)?.target.headers, [], 'a declared one without a value is not expected there');

    const count = bench.calls.length;
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`mcp-param-${at}`, 'x']));
    for (const headers of [many, { 'mcp-param-long': 'x'.repeat(9000) }, { 'mcp-param-latin': 'é' }]) {
      assert.equal(code(await call(headers)), -32020, JSON.stringify(headers).slice(0, 40));
    }
    assert.equal(bench.calls.length, count);
  });
});

test('a tool whose x-mcp-header marks are invalid is left out, and takes no other with it', async () => {
  verifies('input.strict');
  const mark = (type: unknown, name: unknown) => ({ type, 'x-mcp-header': name });
  const nested = { type: 'string', 'x-mcp-header': 'Nested' };
  const bad = [
    tool('empty', { a: mark('string', '') }),
    tool('no-text', { a: mark('string', 7) }),
    tool('space', { a: mark('string', 'My Region') }),
    tool('colon', { a: mark('string', 'Region:Primary') }),
    tool('accent', { a: mark('string', 'Région') }),
    tool('control', { a: mark('string', 'Re\r\ngion') }),
    tool('object', { a: mark('object', 'A') }),
    tool('array', { a: mark('array', 'A') }),
    tool('null', { a: mark('null', 'A') }),
    tool('number', { a: mark('number', 'A') }),
    tool('union', { a: mark(['string', 'null'], 'A') }),
    tool('untyped', { a: mark(undefined, 'A') }),
    tool('twice', { a: mark('string', 'MyField'), b: mark('string', 'myfield') }),
    tool('twice-deep', { a: mark('string', 'X'), b: { type: 'object', properties: { c: mark('string', 'X') } } }),
    tool('root', {}, { 'x-mcp-header': 'Root' }),
    tool('items', { a: { type: 'array', items: nested } }),
    tool('one-of', { a: { oneOf: [{ type: 'null' }, nested] } }),
    tool('all-of', {}, { allOf: [{ properties: { a: nested } }] }),
    tool('additional', {}, { additionalProperties: nested }),
    tool('pattern', {}, { patternProperties: { '^a': nested } }),
    tool('then', {}, { if: true, then: { properties: { a: nested } } }),
    tool('defs', {}, { $defs: { A: nested } }),
    tool('behind-items', { a: { type: 'array', prefixItems: [{ properties: { b: nested } }] } }),
  ];
  const good = [
    tool('good', { region: mark('string', 'Region') }),
    // Neither an example nor a property of that name is a mark.
    tool('odd', { 'x-mcp-header': { type: 'string' }, a: { const: mark('object', '') } }, { examples: [mark(1, 1)] }),
  ];
  const one = server('db', [], { tools: [...bad, ...good] });
  const catalogue = createCatalogue([one]);
  assert.deepEqual(
    catalogue.leftOut.map(({ server: name, tool: left }) => `${name}/${left}`),
    bad.map(({ name }) => `db/${name}`),
  );
  const bench = await openBench({ servers: [one] });
  try {
    const list = JSON.parse((await bench.rpc('tools/list')).body).result.tools as { name: string }[];
    assert.deepEqual(
      list.map(({ name }) => name),
      ['db__good', 'db__odd'],
    );
    for (const { name } of bad) assert.equal(code(await bench.rpc('tools/call', { name: `db__${name}` })), -32602);
    assert.equal(code(await bench.rpc('tools/call', { name: 'db__good', arguments: { region: 'eu' } })), 'ok');
    assert.equal(bench.calls.length, 1);
  } finally {
    await bench.close();
  }
});

test('nothing that the gateway answers may be shared between callers', async () => {
  verifies('authz.default-deny');
  const greedy = '{"contents":[],"resources":[],"cacheScope":"public","ttlMs":60000}';
  const bench = await openBench({ execute: () => greedy });
  try {
    for (const method of [
      'server/discover',
      'tools/list',
      'prompts/list',
      'resources/templates/list',
      'resources/list',
      'resources/read',
    ]) {
      for (const path of ['/mcp', '/mcp/files']) {
        const params = method === 'resources/read' ? { uri: path === '/mcp' ? 'files+x:y' : 'x:y' } : {};
        const { body } = await modern(bench, method, params, {}, path);
        const { cacheScope, ttlMs, resultType } = JSON.parse(body).result;
        assert.deepEqual([cacheScope, resultType, ttlMs >= 0], ['private', 'complete', true], `${method} ${path}`);
      }
    }
  } finally {
    await bench.close();
  }
});
