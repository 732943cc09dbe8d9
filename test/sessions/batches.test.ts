import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPipeline, type Rooms } from '../../src/gateway/pipeline.ts';
import { framed, head, openSessions } from './support.ts';

test('a member of a batch that is refused is answered, also where the answer has become a stream', async () => {
  const { sessions, open } = openSessions();
  const wish = { revision: '2025-03-26', session: open({ revision: '2025-03-26' }) } as const;
  const from = head(wish);
  const ping = () => framed({ id: '1', method: 'ping' }, wish, from).call;
  const rooms: Partial<Rooms> = {
    version: 1,
    authenticate: async () => from.call,
    guard: () => {},
    pace: () => {},
    elsewhere: () => undefined,
    frame: async () => [ping(), ping()],
    attend: (call) => {
      const attendance = sessions.attend(call);
      attendance.caller.notify('{"told":1}');
      return attendance;
    },
    answer: async () => ({ status: 200, headers: {}, body: '{"answered":1}' }),
    refuse: ({ code }) => ({ status: 400, headers: {}, body: `{"refused":"${code}"}` }),
    batch: () => ({ status: 200, headers: {}, body: '' }),
  };
  const audit = {
    sink: { append: async () => {}, close: () => {} },
    now: () => 0,
    redact: (text: string) => text,
    digest: (text: string) => text,
    edgeBudget: () => ({ write: true, suppressed: 0 }),
  };
  const fault = (_incident: string, error: unknown): never => assert.fail(String(error));
  await createPipeline({ rooms: () => rooms as Rooms, audit, fault, count: () => {} })(from.call.arrived);
  assert.deepEqual(from.stream.data.sort(), ['{"answered":1}', '{"refused":"invalid-request"}', '{"told":1}']);
});
