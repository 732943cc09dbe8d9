import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hostileObjects } from '../support/hostile-json.ts';
import { verifies } from '../support/verifies.ts';
import { CLOSE, clean, type Keep, PATIENT } from './support/keep.ts';
import { echo } from './support/mirror.ts';
import { enter, leave } from './support/mirrored.ts';
import { converse, each, type RawAnswer } from './support/raw-socket.ts';

/** Requests of megabytes that are under way at a time. */
const WIDTH = 3;

let keep: Keep;
before(async () => {
  ({ keep } = await enter());
});
after(leave);

/** The one answer to a request; undefined: the connection was given up before it was sent. */
async function answer(request: Uint8Array | string, why: string): Promise<RawAnswer | undefined> {
  const answers = await converse(keep.peer, Buffer.from(request), PATIENT);
  assert.ok(answers.length <= 1, why);
  return answers[0];
}

const MODERN = 'Mcp-Method: tools/call\r\nMcp-Name: mirror__echo\r\n';

test('JSON that is an attack on its reader is refused wherever in a request it stands, in both eras', async () => {
  verifies('input.bounds', 'input.strict');
  const places: Readonly<Record<string, (body: string) => string>> = {
    'the message': (body) => `{"jsonrpc":"2.0","id":1,"method":"ping","x":${body}}`,
    params: (body) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${body}}`,
    arguments: (body) => echo('', 1).replace(/"arguments":\{.*?\}/, `"arguments":${body}`),
    _meta: (body) => echo('', 1).replace('"params":{', `"params":{"_meta":${body},`),
  };
  const rows = Object.entries(places).flatMap(([place, wrap]) =>
    [...hostileObjects('value', { size: 200_000, members: 5_000 })].flatMap(([what, body]) =>
      ['2025-11-25', '2026-07-28'].map((era) => ({ why: `${what} in ${place}, ${era}`, what, place, wrap, body, era })),
    ),
  );
  await keep.undisturbed(echo, () =>
    each(rows, WIDTH, async ({ why, what, wrap, body, era }) => {
      const more = era === '2026-07-28' ? `${MODERN}${CLOSE}` : CLOSE;
      const request = keep.post(wrap(body), more).toString('latin1').replace('2025-11-25', era);
      const said = await answer(Buffer.from(request, 'latin1'), why);
      assert.ok(said !== undefined, why);
      clean(said, why);
      if (/deep|cut/.test(what)) assert.equal(JSON.parse(said.body).error.code, -32700, `${why}: ${said.body}`);
    }),
  );
});

test('a body of megabytes, or one that is to be inflated, is refused unread', async () => {
  verifies('input.bounds');
  const codings = ['gzip', 'GZIP', 'deflate', 'br', 'zstd', 'gzip, br', 'identity, gzip'];
  await keep.undisturbed(echo, async () => {
    for (const coding of codings) {
      const request = keep.post(gzipSync(echo('x', 1)), `Content-Encoding: ${coding}\r\n${CLOSE}`);
      assert.equal((await answer(request, coding))?.status, 415, coding);
    }
    for (const [what, body] of hostileObjects('value', { size: 10_000_000, members: 1_000_000 }))
      if (body.length > 5_000_000)
        assert.ok([413, undefined].includes((await answer(keep.post(body, CLOSE), what))?.status), what);
  });
});

test('headers, queries, forms and tokens that are too much are refused, at the edge and at the issuer', async () => {
  verifies('authn.edge');
  const host = `Host: localhost:${keep.peer.port}\r\n${CLOSE}`;
  const deep = (levels: number) =>
    Buffer.from(`{"alg":"ES256","x":${'['.repeat(levels)}${']'.repeat(levels)}}`).toString('base64url');
  const crit = Buffer.from(
    JSON.stringify({ alg: 'ES256', crit: Array.from({ length: 900 }, (_, at) => `${at}`) }),
  ).toString('base64url');
  const form = (body: string, more = '') =>
    `POST /oauth/token HTTP/1.1\r\n${host}${more}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const requests: Record<string, string> = {
    'a query of megabytes': `GET /oauth/authorize?x=${'y'.repeat(10_000_000)} HTTP/1.1\r\n${host}\r\n`,
    'a query of many': `GET /oauth/authorize?${'a&'.repeat(3000)} HTTP/1.1\r\n${host}\r\n`,
    'a million parameters': form(Array.from({ length: 1_000_000 }, (_, at) => `a${at}=1`).join('&')),
    'one parameter ten thousand times': form('grant_type=authorization_code&'.repeat(2000)),
    'parameters in parameters': form(`a${'[b]'.repeat(15_000)}=1`),
    prototypes: form('__proto__[isAdmin]=1&constructor[prototype][isAdmin]=1'),
    'a form that is to be inflated': form('grant_type=x', 'Content-Encoding: gzip\r\n'),
    'a deep proof': form('grant_type=x', `DPoP: ${deep(3000)}.e30.AA\r\n`),
    'a proof of a critical kind': form('grant_type=x', `DPoP: ${crit}.e30.AA\r\n`),
  };
  for (const token of [
    `${deep(3000)}.e30.AA`,
    `e30.${deep(3000)}.AA`,
    `${crit}.e30.AA`,
    'a'.repeat(10_000_000),
    '.'.repeat(9000),
  ])
    requests[`the token ${token.slice(0, 30)}, ${token.length} long`] =
      `POST /mcp HTTP/1.1\r\n${host}Authorization: Bearer ${token}\r\nContent-Length: 2\r\n\r\n{}`;
  for (const name of ['Mcp-Session-Id', 'Last-Event-ID', 'Mcp-Method', 'Mcp-Name', 'Mcp-Param-X'])
    for (const [what, value] of [
      ['of megabytes', 'x'.repeat(10_000_000)],
      ['with a line end', 'a\rb'],
      ['with a NUL', 'a\0b'],
    ])
      requests[`${name} ${what}`] = keep.post(echo('x', 1), `${CLOSE}${name}: ${value}\r\n`).toString('latin1');
  await keep.undisturbed(echo, () =>
    each(Object.entries(requests), WIDTH, async ([why, request]) => {
      const said = await answer(Buffer.from(request, 'latin1'), why);
      assert.ok(
        said === undefined || (said.status >= 400 && said.status < 500),
        `${why}: ${said?.status} ${said?.body}`,
      );
      assert.doesNotMatch(said?.body ?? '', /\bat .*\.ts:\d+|node:internal|RangeError/, why);
    }),
  );
});

test('after all of that no zone has died, the audit chain holds, and the gateway’s memory is flat', async () => {
  verifies('observe.audit');
  await keep.unharmed();
});
