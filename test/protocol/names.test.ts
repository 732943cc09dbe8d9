import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, type BenchOptions, modern, openBench, server, type Wish } from '../edge/bench.ts';
import { verifies } from '../support/verifies.ts';

interface Said {
  readonly result?: Record<string, unknown>;
  readonly error?: { code: number; message: string; data: Record<string, unknown> };
}

function said({ body }: { body: string }): Said {
  return JSON.parse(body) as Said;
}

async function withBench(options: BenchOptions, use: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = await openBench(options);
  try {
    await use(bench);
  } finally {
    await bench.close();
  }
}

function names(response: { body: string }, member = 'tools', key = 'name'): unknown[] {
  const items = said(response).result?.[member];
  return (items as Record<string, unknown>[]).map((item) => item[key]);
}

test('what a subject may not see answers byte for byte like what does not exist', async () => {
  verifies('authz.default-deny', 'authn.edge');
  // `files/write`, the prompts of files, and all of notes are hidden.
  const hidden = (action: string) =>
    action === 'files/write' || /^files#(prompts|completion)/.test(action) || action.startsWith('notes');
  await withBench({ hidden }, async (bench) => {
    const neutral = async (method: string, params: object, wish: Wish = {}) => {
      const { status, headers, body } = await bench.rpc(method, params, wish);
      const { date: _, ...rest } = headers;
      return JSON.stringify([status, rest, body.replace(/"inc_[a-z2-9]{16}"/, '"inc"')]);
    };
    const pairs: [string, object, object, Wish?][] = [
      ['tools/call', { name: 'files__write' }, { name: 'files__nopes' }],
      ['tools/call', { name: 'notes__read' }, { name: 'nopes__read' }],
      ['tools/call', { name: 'write' }, { name: 'nopes' }, { path: '/mcp/files' }],
      ['prompts/get', { name: 'files__greet' }, { name: 'files__nopes' }],
      ['resources/read', { uri: 'notes+note:///1' }, { uri: 'notes+note:///1' }],
      [
        'completion/complete',
        { ref: { type: 'ref/prompt', name: 'files__greet' } },
        { ref: { type: 'ref/prompt', name: 'files__nopes' } },
      ],
      [
        'completion/complete',
        { ref: { type: 'ref/resource', uri: 'notes+x' } },
        { ref: { type: 'ref/resource', uri: 'nopes+x' } },
      ],
      ['resources/list', { cursor: mark({ server: 'notes' }) }, { cursor: mark({ server: 'nopes' }) }],
    ];
    for (const [method, there, nowhere, wish] of pairs) {
      assert.equal(await neutral(method, there, wish), await neutral(method, nowhere, wish), method);
    }
    for (const method of ['initialize', 'ping', 'tools/list', 'tools/call', 'resources/list', 'nope']) {
      const params = { name: 'read', protocolVersion: '2025-11-25' };
      const there = await neutral(method, params, { path: '/mcp/notes' });
      assert.equal(there, await neutral(method, params, { path: '/mcp/nopes' }), method);
      assert.equal(there, await neutral(method, params, { path: '/mcp/Not/a server'.replace(' ', '%20') }), method);
    }
    assert.deepEqual(names(await bench.rpc('tools/list')), ['files__read']);
    assert.deepEqual(names(await bench.rpc('prompts/list'), 'prompts'), []);
    assert.equal(bench.calls.length, 0);
  });
});

function mark(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

test('a slash in a tool name does not make a server of its first half', async () => {
  verifies('authz.default-deny');
  const options = {
    servers: [server('files', ['read', 'x/read'])],
    hidden: (action: string) => action === 'files/read',
  };
  await withBench(options, async (bench) => {
    for (const path of ['/mcp/files/x', '/mcp/files/', '/mcp/files%2fx']) {
      const answer = said(await bench.rpc('tools/call', { name: 'read' }, { path }));
      assert.equal(answer.error?.code, -32602, path);
    }
    assert.equal(bench.calls.length, 0);
    assert.ok(said(await bench.rpc('tools/call', { name: 'x/read' }, { path: '/mcp/files' })).result);
  });
});

test("lists are the pins' own bytes, with nothing changed but the name", async () => {
  await withBench({ servers: [server('files', ['read "all"', 'ü\u{1f600}__x', '_y'])] }, async (bench) => {
    const { body } = await bench.rpc('tools/list');
    for (const { pins } of [server('files', ['read "all"', 'ü\u{1f600}__x', '_y'])]) {
      for (const { raw, name } of pins.tools) {
        assert.ok(body.includes(raw.replace(JSON.stringify(name), JSON.stringify(`files__${name}`))), name);
      }
    }
    const own = await bench.rpc('tools/list', {}, { path: '/mcp/files' });
    assert.deepEqual(names(own), ['read "all"', 'ü\u{1f600}__x', '_y']);
    for (const name of names({ body })) {
      await bench.rpc('tools/call', { name });
      assert.equal(bench.calls.at(-1)?.target.params.name, String(name).slice('files__'.length));
      assert.equal(bench.calls.at(-1)?.target.pin?.name, String(name).slice('files__'.length));
    }
    assert.deepEqual(names(await bench.rpc('resources/templates/list'), 'resourceTemplates', 'uriTemplate'), [
      'files+note:///{id}',
    ]);
    const fresh = said(await modern(bench, 'tools/list')).result;
    assert.deepEqual([fresh?.resultType, fresh?.cacheScope, typeof fresh?.ttlMs], ['complete', 'private', 'number']);
  });
});

test('lists page by 200, and refuse cursors that are not ours', async () => {
  const tools = Array.from({ length: 401 }, (_, index) => `t${index}`);
  const hidden = (action: string) => action === 'big/t0';
  await withBench({ servers: [server('big', tools)], hidden }, async (bench) => {
    const seen: unknown[] = [];
    let cursor: unknown;
    do {
      const page = await bench.rpc('tools/list', cursor === undefined ? {} : { cursor });
      seen.push(...names(page));
      cursor = said(page).result?.nextCursor;
    } while (cursor !== undefined);
    assert.deepEqual(
      seen,
      tools.slice(1).map((tool) => `big__${tool}`),
    );
    const hostile = [
      '',
      ' ',
      '!',
      'e30',
      mark([]),
      mark({ at: 0 }),
      mark({ at: -200 }),
      mark({ at: 1.5 }),
      mark({ at: 400 }),
      mark({ at: 1e300 }),
      mark({ at: '200' }),
      mark({ at: 200, more: 1 }),
      mark({ __proto__: null, at: 200 }).concat('='),
      mark({ at: { at: 200 } }),
      'x'.repeat(50_000),
      Buffer.from('{"at":200,"at":1}').toString('base64url'),
      Buffer.from(' {"at":200}').toString('base64url'),
      Buffer.from('{"at":2e2}').toString('base64url'),
    ];
    for (const cursor of [...hostile, 7, null, {}]) {
      const { error } = said(await bench.rpc('tools/list', { cursor }));
      assert.deepEqual([error?.code, error?.message], [-32602, 'Invalid params'], String(cursor).slice(0, 40));
    }
  });
});

test('on /mcp resources bear their server, and its list is read a server a page', async () => {
  const pages: Record<string, object> = {
    'alpha:': { resources: [{ uri: 'a:1', name: 'one' }], nextCursor: 'more "of" it' },
    'alpha:more "of" it': { resources: [{ uri: 'a:2' }], nextCursor: null },
    'omega:': { resources: [] },
  };
  const execute: BenchOptions['execute'] = ({ target }) =>
    target.method === 'resources/list'
      ? JSON.stringify(pages[`${target.server}:${target.params.cursor ?? ''}`])
      : `{"contents":[{"uri":${JSON.stringify(target.params.uri)}}]}`;
  const hidden = (action: string) => action === 'middle#resources/list';
  await withBench(
    { servers: ['omega', 'middle', 'alpha'].map((name) => server(name, [])), hidden, execute },
    async (bench) => {
      const uris: unknown[] = [];
      let cursor: unknown;
      do {
        const page = await bench.rpc('resources/list', cursor ? { cursor } : {});
        uris.push(...names(page, 'resources', 'uri'));
        cursor = said(page).result?.nextCursor;
      } while (cursor);
      assert.deepEqual(uris, ['alpha+a:1', 'alpha+a:2']);
      assert.deepEqual(
        bench.calls.map(({ target }) => [target.server, target.paramsRaw]),
        [
          ['alpha', '{}'],
          ['alpha', '{"cursor":"more \\"of\\" it"}'],
          ['omega', '{}'],
        ],
      );

      const read = await bench.rpc('resources/read', { uri: 'alpha+a+b:1' });
      assert.deepEqual(
        [bench.calls.at(-1)?.target.params.uri, names(read, 'contents', 'uri')],
        ['a+b:1', ['alpha+a+b:1']],
      );
      const own = await bench.rpc('resources/list', { cursor: 'more "of" it' }, { path: '/mcp/alpha' });
      assert.deepEqual(names(own, 'resources', 'uri'), ['a:2']);

      for (const cursor of [
        mark({ server: 'middle' }),
        mark({ server: 'nope' }),
        mark({ server: 'alpha', cursor: 1 }),
        mark({ server: 'alpha', x: 1 }),
        mark({ cursor: 'x' }),
        mark({ server: ['alpha'] }),
        'zzz',
        '',
      ]) {
        assert.equal(said(await bench.rpc('resources/list', { cursor })).error?.code, -32602, cursor);
      }
      for (const uri of ['a:1', 'nope+a:1', '+a:1', 'ALPHA+a:1', ' alpha+a:1', '__proto__+x', '']) {
        const { error } = said(await bench.rpc('resources/read', { uri }));
        assert.deepEqual([error?.code, error?.data.uri], [-32002, uri], uri);
      }
      assert.equal(
        said(await modern(bench, 'resources/read', { uri: 'nope+a:1' })).error?.code,
        -32602,
        'the code of 2026-07-28',
      );
    },
  );
});

test('who may list no resources gets an empty list, without a server being asked', async () => {
  await withBench({ hidden: (action) => action.endsWith('#resources/list') }, async (bench) => {
    for (const path of ['/mcp', '/mcp/files']) {
      assert.deepEqual(said(await bench.rpc('resources/list', {}, { path })).result, { resources: [] });
    }
    assert.equal(bench.calls.length, 0);
  });
});

test('params go on byte for byte, but for the name and the envelope between client and gateway', async () => {
  await withBench({}, async (bench) => {
    const through = async (params: string, path = '/mcp', method = 'tools/call') => {
      await bench.send({ path, body: `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}` });
      const { params: value, paramsRaw } = bench.calls.at(-1)?.target ?? {};
      assert.deepEqual(value, JSON.parse(paramsRaw ?? ''), 'the value is what the bytes say');
      assert.ok(Object.isFrozen(value));
      return paramsRaw;
    };
    const odd =
      '"unknown" : 1.0e0,\t"arguments":{"name":"files__read","n":1E400,"b":12345678901234567890,"__proto__":1}';
    assert.equal(await through(`{ ${odd} , "name" : "files__read" }`), `{ ${odd} , "name" : "read" }`);
    assert.equal(await through(`{"\\u006eame":"\\u0066iles__read"}`), '{"\\u006eame":"read"}');
    assert.equal(await through(`{ ${odd} , "name" : "read" }`, '/mcp/files'), `{ ${odd} , "name" : "read" }`);
    assert.equal(
      await through('{"name":"read","_meta":{"progressToken":"x"}}', '/mcp/files'),
      '{"name":"read","_meta":{"progressToken":"x"}}',
    );
    assert.equal(
      await through(
        '{"ref":{"type":"ref/prompt","name":"files__greet"},"argument":{"name":"who","value":"a"}}',
        '/mcp',
        'completion/complete',
      ),
      '{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"who","value":"a"}}',
    );
    assert.equal(bench.calls.at(-1)?.target.pin?.name, 'greet', 'its arguments are judged by its pin');
    assert.equal(
      await through('{"ref":{"uri":"files+note:///{id}","type":"ref/resource"}}', '/mcp', 'completion/complete'),
      '{"ref":{"uri":"note:///{id}","type":"ref/resource"}}',
    );
    await modern(bench, 'tools/call', {
      name: 'files__read',
      arguments: {},
      _meta: { traceparent: '00-1', 'io.modelcontextprotocol/logLevel': 'debug' },
    });
    assert.equal(bench.calls.at(-1)?.target.paramsRaw, '{"name":"read","arguments":{},"_meta":{"traceparent":"00-1"}}');
    await modern(bench, 'tools/call', { name: 'files__read' });
    assert.equal(bench.calls.at(-1)?.target.paramsRaw, '{"name":"read"}');
    for (const members of [
      ['_meta', 'cursor', 'x'],
      ['x', '_meta', 'cursor'],
      ['cursor', '_meta', 'x'],
      ['_meta', 'cursor'],
    ]) {
      const values = { _meta: {}, cursor: mark({ server: 'files' }), x: 1 };
      const picked = Object.fromEntries(members.map((name) => [name, values[name as keyof typeof values]]));
      assert.equal((await modern(bench, 'resources/list', picked)).status, 200);
      const own = members.includes('x') ? '{"x":1}' : '{}';
      assert.equal(bench.calls.at(-1)?.target.paramsRaw, own, members.join());
    }

    bench.calls.length = 0;
    for (const params of ['{}', '{"name":1}', '{"name":{"toString":1}}', '{"name":"files__read","_meta":1}']) {
      const response = await bench.send({ body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}` });
      assert.equal(said(response).error?.code, -32602, params);
    }
    assert.equal(bench.calls.length, 0);
  });
});
