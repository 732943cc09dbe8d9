import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RpcAnswer } from '../../src/contract/upstream.ts';
import { Asides } from '../../src/runtime/upstream/asides.ts';
import { remoteServer } from './remote-server.ts';
import { callTool, runtimeWith } from './support.ts';

type Step = { readonly kind: 'ask' | 'ping' | 'cancel' | 'answer'; readonly key: string | number };

const keys = fc.constantFrom<string | number>(0, 1, 2, '0', '1', 'a');
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({ kind: fc.constantFrom<Step['kind']>('ask', 'ping', 'cancel', 'answer'), key: keys }),
  { maxLength: 30 },
);

test('whatever order things come in, a request is answered once, or not at all when it was taken back', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(30), async (all, end) => {
      const responses: unknown[] = [];
      const waiting = new Map<string | number, (answer: RpcAnswer) => void>();
      const turns: boolean[] = [];
      let asked: string | number = '';
      const asides = new Asides({
        respond: (response) => responses.push(JSON.parse(response).id),
        ask: () => new Promise((resolve) => void waiting.set(asked, resolve)),
        onAsking: (open) => turns.push(open),
      });
      const used = new Set<string | number>();
      const open = new Set<string | number>();
      const expected: unknown[] = [];
      for (const [at, { kind, key }] of all.entries()) {
        if (at === end) asides.end();
        if (at >= end) open.clear();
        const id = JSON.stringify(key);
        if (kind === 'cancel') {
          const params = { requestId: key };
          asides.receive({ kind: 'notification', method: 'notifications/cancelled', params, raw: '' });
          open.delete(key);
        } else if (kind === 'answer') {
          waiting.get(key)?.({ kind: 'result', raw: '{}' });
          await Promise.resolve();
          if (open.delete(key)) expected.push(key);
        } else {
          asked = key;
          const request = { kind: 'request', id, key, method: kind === 'ask' ? 'x/y' : 'ping', params: '{}' } as const;
          if (used.has(key) && at < end) {
            assert.throws(() => asides.receive(request), /twice/);
            return;
          }
          asides.receive(request);
          if (at >= end) continue;
          used.add(key);
          if (kind === 'ask') open.add(key);
          else expected.push(key);
        }
        assert.deepEqual(responses, expected);
        if (at < end) assert.equal(turns.at(-1) ?? false, open.size > 0);
      }
      assert.ok(turns.every((turn, at) => turn === (at % 2 === 0)));
    }),
  );
});

test('no frame of a gateway, however wrong, harms another one', async (t) => {
  const remote = await remoteServer(t, () => false);
  const { link, bundle } = await runtimeWith(t, [remote.settings]);
  const head = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        kind: fc.constantFrom('call', 'reply', 'listen', 'cancel', 'describe', 'result', 'toString'),
        id: fc.oneof(fc.integer({ min: -2, max: 3 }), fc.double(), fc.jsonValue()),
        server: fc.oneof(fc.constantFrom('crm', 'nobody', '__proto__'), fc.jsonValue()),
        method: fc.oneof(fc.constantFrom('tools/call', 'constructor'), fc.jsonValue()),
        subject: fc.jsonValue(),
        capabilities: fc.oneof(fc.constantFrom('{}', '[]', '{', ''), fc.jsonValue()),
        ask: fc.jsonValue(),
        outcome: fc.jsonValue(),
      },
      { requiredKeys: ['kind', 'id'] },
    ),
  );
  const body = fc.oneof(fc.constantFrom('', '{}', '[]', '["x:y"]', '{"name":"echo"}', '{"a":1,"a":2}'), fc.string());
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(head, body), { minLength: 1, maxLength: 20 }), async (frames) => {
      const socket = connect(bundle.socket);
      socket.on('error', () => {});
      for (const [value, text] of frames) {
        const [headBytes, bodyBytes] = [Buffer.from(JSON.stringify(value)), Buffer.from(text)];
        const lengths = Buffer.alloc(6);
        lengths.writeUInt32BE(2 + headBytes.length + bodyBytes.length);
        lengths.writeUInt16BE(headBytes.length, 4);
        socket.write(Buffer.concat([lengths, headBytes, bodyBytes]));
      }
      assert.equal(await callTool(link, { server: 'crm', echo: 'unharmed' }), 'unharmed');
      socket.destroy();
    }),
    { numRuns: 60 },
  );
});
