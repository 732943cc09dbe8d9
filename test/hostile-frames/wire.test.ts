import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { corporaAbsent, httpVectors } from './support/corpora.ts';
import { CLOSE, clean, type Keep, PATIENT, WIDTH } from './support/keep.ts';
import { echo, type Mirror } from './support/mirror.ts';
import { enter, leave } from './support/mirrored.ts';
import { converse, each, RawSocket } from './support/raw-socket.ts';
import { smuggling } from './support/smuggling.ts';

let keep: Keep;
let mirror: Mirror;
before(async () => {
  ({ keep, mirror } = await enter());
});
after(leave);

test('every HTTP request ends in a clean answer or a closed connection, with and without a token', {
  skip: corporaAbsent,
}, async () => {
  verifies('authn.edge');
  const vectors = httpVectors().filter(({ kind }) => kind === 'request');
  await keep.undisturbed(echo, () =>
    each(vectors, WIDTH, async ({ id, raw }) => {
      for (const answer of await converse(keep.peer, raw)) {
        clean(answer, id);
        assert.ok(answer.status >= 400, `${id}: ${answer.status} to a stranger`);
      }
      // The same to /mcp, by somebody whom it serves.
      const [line = '', ...rest] = raw.replace(/^(\s*[A-Z-]+) \S+/, '$1 /mcp').split('\r\n');
      const known = [line, keep.credentials, 'Content-Type: application/json', ...rest].join('\r\n');
      for (const answer of await converse(keep.peer, known)) clean(answer, `${id}, with a token`);
    }),
  );
});

test('nothing that hides in a request is executed as another one (RFC 9112 §11.2)', async () => {
  const marks = new Map<string, string>();
  const shapes = Object.entries(smuggling()).map(([name, shape], at) => {
    marks.set(name, `hidden ${at}`);
    return { name, request: shape(keep.post(echo(`hidden ${at}`, at), CLOSE).toString('latin1')) };
  });
  await keep.undisturbed(echo, () =>
    each(shapes, WIDTH, async ({ name, request }) => {
      const head = `POST /mcp HTTP/1.1\r\n${keep.credentials}\r\nContent-Type: application/json\r\n`;
      const control = name.startsWith('control:');
      const answers = await converse(keep.peer, request.replace(/^HEAD/, head), control ? PATIENT : undefined);
      for (const answer of answers) clean(answer, name);
      const executed = mirror.echoed.has(JSON.stringify(marks.get(name)));
      assert.equal(executed, control, `${name}: ${JSON.stringify(answers)}`);
    }),
  );
});

test('a body in chunks is one body, whatever its chunks look like, and its trailers say nothing', async () => {
  const body = echo('chunked', 5);
  const single = [...body].map((byte) => `1\r\n${byte}\r\n`).join('');
  const size = body.length.toString(16);
  const forms: Readonly<Record<string, string>> = {
    'bytes one by one': `${single}0\r\n\r\n`,
    'leading zeros': `${size.padStart(12, '0')}\r\n${body}\r\n000\r\n\r\n`,
    extensions: `${size};a=b;c="d;e"\r\n${body}\r\n0;f\r\n\r\n`,
    trailers: `${size}\r\n${body}\r\n0\r\nX-Checksum: 1\r\nAuthorization: Bearer x\r\n\r\n`,
  };
  const send = (chunks: string, credentials: string, patience = PATIENT) =>
    converse(
      keep.peer,
      `POST /mcp HTTP/1.1\r\n${credentials}\r\n${CLOSE}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`,
      patience,
    );
  for (const [name, chunks] of Object.entries(forms)) {
    const [answer] = await send(chunks, keep.credentials);
    assert.ok(answer !== undefined, name);
    assert.equal(
      JSON.parse(answer.body || '{}').result?.structuredContent.value,
      'chunked',
      `${name}: ${JSON.stringify(answer)}`,
    );
  }
  const late = `${size}\r\n${body}\r\n0\r\nAuthorization: Bearer ${keep.token}\r\n\r\n`;
  const [stranger] = await send(late, `Host: localhost:${keep.peer.port}`);
  assert.equal(stranger?.status, 421, 'a token in a trailer authenticates nobody');
  for (const endless of [
    `1;${'x'.repeat(70_000)}\r\n`,
    `0\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
    `${'0'.repeat(70_000)}1\r\n`,
  ])
    for (const answer of await send(endless, keep.credentials, 250)) clean(answer, endless.slice(0, 20));
});

test('a connection that is half-closed anywhere in a request is answered or closed, and nothing half is executed', async () => {
  mirror.echoed.clear();
  const whole = keep.post(echo('half', 9));
  const cuts = Array.from({ length: 60 }, (_, at) => Math.floor((whole.length * at) / 60));
  await keep.undisturbed(echo, () =>
    each(cuts, WIDTH, async (cut) => {
      const socket = await RawSocket.open(keep.peer);
      socket.write(whole.subarray(0, cut));
      socket.end();
      for (let answer = await socket.next(); answer !== 'closed'; answer = await socket.next()) {
        assert.ok(answer !== 'silent', `left alone after ${cut} bytes`);
        clean(answer, `${cut} bytes`);
      }
    }),
  );
  assert.equal(mirror.echoed.has('"half"'), false);
});

test('after all of that no zone has died, the audit chain holds, and the gateway’s memory is flat', async () => {
  verifies('observe.audit');
  await keep.unharmed();
});
