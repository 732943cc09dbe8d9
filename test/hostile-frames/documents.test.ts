import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { verifies } from '../support/verifies.ts';
import { corporaAbsent, jsonDocuments } from './support/corpora.ts';
import { CLOSE, clean, type Keep, PATIENT, WIDTH } from './support/keep.ts';
import { around, echo } from './support/mirror.ts';
import { enter, leave } from './support/mirrored.ts';
import { converse, each, RawSocket } from './support/raw-socket.ts';

let keep: Keep;
before(async () => {
  ({ keep } = await enter());
});
after(leave);

for (const round of ['', ', again'])
  test(`every JSON document is answered as JSON-RPC says, alone, as params and as an argument${round}`, {
    skip: corporaAbsent,
  }, async () => {
    verifies('input.strict', 'input.bounds');
    let executed = 0;
    let unseen = 0;
    await keep.undisturbed(echo, () =>
      each(jsonDocuments(), WIDTH, async ({ id, label, bytes }, at) => {
        const socket = await RawSocket.open(keep.peer);
        const ask = async (body: Uint8Array) => {
          socket.write(keep.post(body));
          const answer = await socket.next();
          assert.ok(typeof answer === 'object', `${id}: ${answer}`);
          clean(answer, id);
          return { status: answer.status, ...JSON.parse(answer.body) };
        };
        const refused = label === 'valid' ? [-32600] : label === 'invalid' ? [-32700] : [-32600, -32700];

        const whole = await ask(bytes);
        assert.deepEqual([whole.status, whole.id], [400, idOf(label, bytes)], id);
        assert.ok(refused.includes(whole.error.code), `${id}: ${whole.error.code}`);

        const params = await ask(around(`{"jsonrpc":"2.0","id":${at},"method":"ping","params":`, bytes, '}'));
        if (label === 'invalid') assert.deepEqual([params.id, params.error.code], [null, -32700], id);
        if (label === 'valid') assert.equal(params.id, at, id);

        const call = `{"jsonrpc":"2.0","id":${at},"method":"tools/call","params":{"name":"mirror__echo","arguments":{"value":`;
        const argument = await ask(around(call, bytes, '}}}'));
        if (label === 'invalid') assert.deepEqual([argument.id, argument.error.code], [null, -32700], id);
        if (label !== 'valid') return socket.destroy();
        assert.equal(argument.id, at, id);
        const value = argument.result?.structuredContent?.value;
        if (argument.result?.isError) {
          assert.equal(argument.result._meta['innerkeep/refusal'].reason, 'validation', id);
          if (hides(plain(bytes))) unseen++;
        } else if (isDeepStrictEqual(value, plain(bytes))) executed++;
        else assert.fail(`${id}: ${JSON.stringify(argument)}`);
        socket.destroy();
      }),
    );
    // What nobody sees is refused as an argument, and nothing else of these few.
    assert.ok(executed + unseen >= 85, `${executed} valid documents reached the server, ${unseen} hide something`);
  });

/** What JSON-RPC has an answer to this document bear: its id, where it has one (2.0 §5). */
function idOf(label: string, bytes: Buffer): unknown {
  const value = label === 'valid' ? JSON.parse(bytes.toString()) : null;
  return typeof value?.id === 'string' ? value.id : null;
}

/** A control character, a format character or a code point that is none, anywhere in it. */
const hides = (value: unknown): boolean => /[\p{Cc}\p{Cf}\p{Cn}]/u.test(strings(value).join(''));
const strings = (value: unknown): string[] =>
  typeof value === 'object' && value !== null ? Object.entries(value).flat().flatMap(strings) : [String(value)];

/** As it is after the mirror has written it again: without negative zero. */
const plain = (bytes: Buffer): unknown => JSON.parse(JSON.stringify(JSON.parse(bytes.toString())));

test('a batch of anything at all is answered within its bounds, or refused (2025-03-26)', {
  skip: corporaAbsent,
}, async () => {
  const fits = jsonDocuments().filter(({ bytes }) => bytes.length < 1500);
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const batches: Readonly<Record<string, Uint8Array>> = {
    'every valid document': Buffer.from(
      `[${fits
        .filter(({ label }) => label === 'valid')
        .map(({ bytes }) => bytes)
        .join()}]`,
    ),
    'a thousand requests': Buffer.from(`[${Array(1000).fill(ping).join()}]`),
    'a batch in a batch': Buffer.from(`[[${ping}]]`),
    'two initializations': Buffer.from(`[${Array(2).fill(ping.replace('ping', 'initialize')).join()}]`),
    ...Object.fromEntries(fits.map(({ id, bytes }) => [id, around(`[${ping},`, bytes, ']')])),
  };
  await keep.undisturbed(echo, () =>
    each(Object.entries(batches), WIDTH, async ([name, body]) => {
      const request = keep.post(body, CLOSE).toString('latin1').replace('2025-11-25', '2025-03-26');
      const [answer, ...more] = await converse(keep.peer, request, PATIENT);
      assert.ok(answer !== undefined && more.length === 0, name);
      clean(answer, name);
      const said = JSON.parse(answer.body);
      if (fits.some(({ id, label }) => id === name && label === 'invalid')) assert.equal(said.error.code, -32700, name);
      if (!Array.isArray(said)) return;
      // Each element is an answer of its own; nothing was answered twice.
      for (const one of said) assert.ok(one.jsonrpc === '2.0' && 'result' in one !== 'error' in one, name);
      assert.ok(said.length <= 1000 && said.filter(({ result }) => result !== undefined).length <= 1000, name);
    }),
  );
});

test('a request in which single bytes were changed, lost or doubled gets one answer, and never another one’s', async () => {
  const good = keep.post(echo('good', 7));
  const start = good.indexOf('\r\n\r\n') + 4;
  const change = fc.record({
    at: fc.integer({ min: start, max: good.length - 1 }),
    byte: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom('set', 'cut', 'double'),
  });
  await keep.undisturbed(echo, () =>
    each(
      fc.sample(fc.array(change, { minLength: 1, maxLength: 3 }), { numRuns: 300, seed: 3 }),
      WIDTH,
      async (changes) => {
        const body = [...good.subarray(start)];
        for (const { at, byte, kind } of changes) {
          if (kind === 'set') body[at - start] = byte;
          else body.splice(at - start, kind === 'cut' ? 1 : 0, ...(kind === 'cut' ? [] : [byte]));
        }
        const [answer, ...more] = await converse(keep.peer, keep.post(Buffer.from(body), CLOSE), PATIENT);
        assert.ok(answer !== undefined && more.length === 0, Buffer.from(body).toString());
        clean(answer, Buffer.from(body).toString());
      },
    ),
  );
});

test('after all of that no zone has died, the audit chain holds, and the gateway’s memory is flat', async () => {
  verifies('observe.audit');
  await keep.unharmed();
});
