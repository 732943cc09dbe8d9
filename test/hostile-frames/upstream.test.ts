import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hostileObjects } from '../support/hostile-json.ts';
import { callText } from '../support/http.ts';
import { verifies } from '../support/verifies.ts';
import { corporaAbsent, httpVectors, jsonDocuments } from './support/corpora.ts';
import { Keep } from './support/keep.ts';
import { around, echo, http, type Mirror, openMirror, POLICY, type Saying } from './support/mirror.ts';
import { each } from './support/raw-socket.ts';

const POLICIES = `${POLICY}permit (principal in Tenant::"acme", action == Action::"printer/print", resource == Tenant::"acme");\n`;
const WIDTH = 8;

/** 64 MiB in 64 kB. */
const BOMB = gzipSync(Buffer.alloc(64 * 1024 ** 2));

let mirror: Mirror;
let keep: Keep;
before(async () => {
  mirror = await openMirror();
  const printer = readFileSync(join(import.meta.dirname, 'support/printer.mjs'), 'utf8');
  const add = ['./printer', '--name', 'printer', '--yes', '--', 'node', 'server.mjs'];
  const failing = { mirror: 'say', printer: 'print' };
  const remote = [mirror.url, '--name', 'mirror', '--yes'];
  keep = await Keep.open({ 'printer/server.mjs': printer }, POLICIES, failing, remote, add);
});
after(async () => {
  await keep?.close();
  mirror?.close();
});

type Reply = Awaited<ReturnType<Keep['ask']>>;

let sayings = 0;

/** What a caller gets when the mirror answers with `saying`. */
async function said(name: string, saying: Saying): Promise<Reply> {
  const which = `${name} ${++sayings}`;
  mirror.sayings.set(which, saying);
  const reply = await keep.ask(callText('mirror__say', JSON.stringify({ which })));
  mirror.sayings.delete(which);
  return reply;
}

/** The caller learns that the tool failed, and not a byte of what the server said. */
function failed({ status, json, text }: Reply, why: string, ...reasons: readonly string[]): void {
  assert.ok(status === 200 && json?.id === 1 && json.error !== undefined, `${why}: ${status} ${text}`);
  assert.ok(['upstream', ...reasons].includes(json.error.data.reason), `${why}: ${text}`);
  assert.match(json.error.message, /^The (tool|answer) [a-z ]+$/, why);
  assert.deepEqual(Object.keys(json.error.data).sort(), ['incident', 'reason'], why);
}

test('every JSON document as a remote server’s answer, or in one, is relayed when it is valid and refused when it is not', {
  skip: corporaAbsent,
}, async () => {
  verifies('output.errors');
  await keep.undisturbed(echo, () =>
    each(jsonDocuments(), WIDTH, async ({ id, label, bytes }) => {
      failed(await said(`${id} whole`, () => http(bytes)), `${id} as the answer`);
      const plain = await said(`${id} in`, (call) => http(inResult(call, bytes)));
      if (label === 'invalid') failed(plain, `${id} in the result`);
      if (label === 'valid') assert.deepEqual(plain.json.result.structuredContent, JSON.parse(bytes.toString()), id);
      if (/[\r\n]/.test(bytes.toString('latin1'))) return;
      const proper = '{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}';
      const events = await said(`${id} event`, (call) =>
        http(around('data: ', bytes, `\n\ndata: ${proper.replace('ID', call)}\n\n`), 'text/event-stream'),
      );
      if (bytes.toString('latin1').trim() !== '') failed(events, `${id} as an event`);
      const event = await said(`${id} in event`, (call) =>
        http(around('data: ', inResult(call, bytes), '\n\n'), 'text/event-stream'),
      );
      if (label === 'invalid') failed(event, `${id} in an event`);
      if (label === 'valid') assert.deepEqual(event.json.result.structuredContent, JSON.parse(bytes.toString()), id);
    }),
  );
});

const inResult = (id: string, bytes: Uint8Array): Buffer =>
  around(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":`, bytes, '}}');

test('every HTTP message as a remote server’s answer is refused', { skip: corporaAbsent }, async () => {
  await keep.undisturbed(echo, () =>
    each(httpVectors(), WIDTH, async ({ id, raw }) => failed(await said(id, () => raw), id)),
  );
});

test('what a remote server does to HTTP, to ids and to sizes is refused, each time in the same few words', async () => {
  verifies('output.size', 'output.errors');
  const good = (id: string): string => `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`;
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
  const sayings: Record<string, Saying> = {
    'hangs up': () => null,
    'ends without a word': () => '',
    'hangs up in the head': () => 'HTTP/1.1 200 OK\r\nContent-Ty',
    'hangs up in the body': (id) => `${head}Content-Length: 900\r\n\r\n${good(id)}`,
    'hangs up in a chunk': (id) => `${head}Transfer-Encoding: chunked\r\n\r\nfff\r\n${good(id)}`,
    'both a length and chunks': (id) =>
      `${head}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${good(id)}`,
    'two lengths': (id) => `${head}Content-Length: ${good(id).length}\r\nContent-Length: 3\r\n\r\n${good(id)}`,
    'a length that is none': (id) => `${head}Content-Length: 0x10\r\n\r\n${good(id)}`,
    'a chunk beyond all integers': () => `${head}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(20)}\r\n`,
    'a head without end': () => `${head}${'X-Filler: y\r\n'.repeat(20_000)}\r\n`,
    'a header value with a NUL': (id) => `${head}X: a\0b\r\nContent-Length: ${good(id).length}\r\n\r\n${good(id)}`,
    'another protocol': () => 'SSH-2.0-OpenSSH_9.2\r\n',
    'a switch of protocols': () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    'a redirect': () =>
      'HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n',
    'a coding': (id) => `${head}Content-Encoding: br\r\nContent-Length: ${good(id).length}\r\n\r\n${good(id)}`,
    'another type': (id) => http(good(id), 'text/html'),
    'an error of its own': () => http('secret stack trace', 'text/plain', '500 Internal Server Error'),
    'the next id': (id) => http(good(String(Number(id) + 1))),
    'an id as text': (id) => http(good(`"${id}"`)),
    'an id with a fraction': (id) => http(good(`${id}.5`)),
    'no id': () => http('{"jsonrpc":"2.0","result":{"content":[]}}'),
    'a null id': () => http(good('null')),
    'an id twice': (id) => http(`{"jsonrpc":"2.0","id":${id},"id":${id},"result":{"content":[]}}`),
    'result and error': (id) => http(`{"jsonrpc":"2.0","id":${id},"result":{},"error":{"code":1,"message":"x"}}`),
    'an error that is none': (id) => http(`{"jsonrpc":"2.0","id":${id},"error":"secret"}`),
    'an error': (id) => http(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32000,"message":"secret"}}`),
    'a batch': (id) => http(`[${good(id)}]`),
    'another version': (id) => http(good(id).replace('2.0', '1.0')),
    'a method': (id) => http(`{"jsonrpc":"2.0","id":${id},"method":"ping","result":{}}`),
    'too much': (id) => http(good(id).replace('[]', `["${'x'.repeat(5_000_000)}"]`)),
    'too much, without an end': () => `${head}\r\n${' '.repeat(6_000_000)}`,
    'too deep': (id) => http(good(id).replace('[]', `${'['.repeat(100)}${']'.repeat(100)}`)),
    'too long an event': () => http(`data: ${'x'.repeat(5_000_000)}`, 'text/event-stream'),
    'too long a field name': () => http(`${'f'.repeat(10_000_000)}: x\n\n`, 'text/event-stream'),
    'countless events': () => http('id: 1\ndata\n\n'.repeat(200_000), 'text/event-stream'),
    'a stream without the answer': () => http(': nothing\n\n'.repeat(1000), 'text/event-stream'),
    'a stream of something else': () =>
      http(Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a, 0x0a]), 'text/event-stream'),
  };
  // Whatever its coding says it would become, nothing is inflated.
  for (const coding of ['gzip', 'GZIP', 'x-gzip', 'deflate', 'br', 'zstd', 'gzip, br', 'identity, gzip', 'unheard-of'])
    sayings[`a bomb in ${coding}`] = () =>
      around(`${head}Content-Encoding: ${coding}\r\nConnection: close\r\n\r\n`, BOMB, '');
  const places = [
    '"result":{"content":[],"structuredContent":',
    '"result":{"content":[],"_meta":',
    '"error":{"code":1,"message":"x","data":',
  ] as const;
  for (const [what, body] of hostileObjects('a', { size: 4_500_000, members: 500_000 }))
    for (const place of /deep|cut/.test(what) ? places : places.slice(0, 1))
      if (!/proto/.test(what))
        sayings[`${what} in ${place}`] = (id) => http(`{"jsonrpc":"2.0","id":${id},${place}${body}}}`);
  await keep.undisturbed(echo, () =>
    each(Object.entries(sayings), WIDTH, async ([why, saying]) => {
      const reply = await said(why, saying);
      failed(reply, why, 'size');
      assert.doesNotMatch(reply.text, /secret/, why);
    }),
  );
});

test('keys that are attacks on prototypes are a remote server’s data, and reach the caller as such', async () => {
  for (const key of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
    const content = `{"${key}":{"isAdmin":true,"prototype":{"isAdmin":true}}}`;
    const reply = await said(key, (id) =>
      http(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":${content},"_meta":${content}}}`),
    );
    assert.ok(reply.text.includes(`"structuredContent":${content}`), reply.text);
  }
});

test('a second answer behind the first is nobody’s: the next calls get their own', async () => {
  const stolen = (id: number): Buffer =>
    http(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":{"value":"stolen"}}}`);
  await keep.undisturbed(echo, async () => {
    for (let time = 0; time < 20; time++) {
      const poison: Saying = (id) =>
        Buffer.concat([
          http(`{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`),
          ...[1, 2, 3].map((next) => stolen(Number(id) + next)),
        ]);
      await said(`poison ${time}`, poison);
      const next = await keep.ask(echo(`own ${time}`, 1));
      assert.equal(next.json.result.structuredContent.value, `own ${time}`);
    }
  });
});

test('a sandboxed server that prints JSON documents instead of answers, or in them, is refused or relayed alike', {
  skip: corporaAbsent,
}, async () => {
  verifies('sandbox.isolation');
  const print = (args: object) => keep.ask(callText('printer__print', JSON.stringify(args)));
  const sample = jsonDocuments().filter(({ bytes }, at) => bytes.length < 4000 && at % 12 === 0);
  await keep.undisturbed(echo, () =>
    each(sample, 2, async ({ id, label, bytes }) => {
      const base64 = bytes.toString('base64');
      const whole = await print({ base64, after: '\n' });
      if (bytes.toString('latin1').trim() !== '') failed(whole, `${id} printed`);
      if (/[\r\n]/.test(bytes.toString('latin1'))) return;
      const [before = '', after = ''] = inResult('ID', Buffer.from('|')).toString().split('|');
      const reply = await print({ before, base64, after: `${after}\n` });
      if (label === 'invalid') failed(reply, `${id} in an answer`);
      if (label === 'valid') assert.deepEqual(reply.json.result.structuredContent, JSON.parse(bytes.toString()), id);
    }),
  );
  failed(await print({ before: 'x'.repeat(8000), times: 1000 }), 'a line without end', 'size');
  failed(await print({ before: '\n'.repeat(8000), times: 1000 }), 'lines without end', 'size');
});

test('after all of that no zone has died, the audit chain holds, and the gateway’s memory is flat', async () => {
  verifies('observe.audit');
  await keep.unharmed();
});
