import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { type Client, elicit, request, result, stageWith, text } from './support.ts';

const message = (method: string, params: unknown) => JSON.stringify({ jsonrpc: '2.0', method, params });
const progress = (progressToken: unknown, progress: unknown = 1) =>
  message('notifications/progress', { progressToken, progress });
const log = (level: unknown, data: unknown = 'x') => message('notifications/message', { level, data });

/** What of these the client is told. */
async function told(messages: readonly string[], client: Client = {}) {
  const { call, caller, notifications } = request(client);
  const { execute } = stageWith({
    server: async (upstream) => {
      for (const one of messages) upstream.notify(one);
      return text('done');
    },
  });
  await execute(call, caller);
  return notifications;
}

test('progress reaches the request that asked for it, under its own token, and no other', async () => {
  const own = { params: { _meta: { progressToken: 'p-1' } } };
  assert.deepEqual(await told([progress('p-1'), progress('p-2'), progress(1), progress('p-1', 'much')], own), [
    progress('p-1'),
  ]);
  assert.deepEqual(await told([progress('p-1'), progress(undefined)]), []);
  const numbered = { params: { _meta: { progressToken: 7 } } };
  assert.deepEqual(await told([progress(7), progress('7')], numbered), [progress(7)]);
  const lookalike = message('notifications/progress', { progressToken: 7, ProgressToken: 8, progress: 1 });
  assert.deepEqual(await told([lookalike], numbered), []);
  // A token that looks like a card number is the client's own all the same.
  const card = { params: { _meta: { progressToken: 4000123412341234 } } };
  assert.deepEqual(await told([progress(4000123412341234)], card), [progress(4000123412341234)]);
});

test('log messages come at the level that was asked for; from 2026-07-28 on only where one was', async () => {
  const all = [log('debug'), log('warning'), log('emergency'), log('loud'), log(undefined)];
  assert.deepEqual(await told(all, { logLevel: 'warning' }), [all[1], all[2]]);
  assert.deepEqual(await told(all), all.slice(0, 3));
  assert.deepEqual(await told(all, { modern: true, capabilities: {} }), []);
  assert.deepEqual(await told(all, { modern: true, capabilities: {}, logLevel: 'error' }), [all[2]]);
});

test('drops what is no business of a call, and what nobody can read safely', async () => {
  assert.deepEqual(
    await told([
      message('notifications/tools/list_changed', {}),
      message('notifications/resources/updated', { uri: 'file:///x' }),
      message('notifications/cancelled', { requestId: 1 }),
      message('notifications/tasks/status', { taskId: 'of-nobody-here', status: 'working' }),
      message('notifications/elicitation/complete', { elicitationId: 'of-another-call' }),
      message('sampling/createMessage', {}),
      message('__proto__', {}),
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","level":"debug"}}',
      '{"jsonrpc":"2.0","method":"notifications/message","params":["error"]}',
      'not json',
      '[]',
      log('error', 'x'.repeat(70_000)),
    ]),
    [],
  );
});

test('tells of the end of an elicitation by URL that this call began', async () => {
  const { call, caller, notifications } = request({ ask: async () => result({ action: 'accept' }) });
  const complete = message('notifications/elicitation/complete', { elicitationId: 'e-1' });
  const { execute } = stageWith({
    server: async (upstream) => {
      upstream.notify(complete);
      await upstream.ask(elicit({ mode: 'url', message: 'm', url: 'https://example.com/', elicitationId: 'e-1' }));
      upstream.notify(complete);
      return text('done');
    },
  });
  await execute(call, caller);
  assert.deepEqual(notifications, [complete]);
});

test('no secret in a notification, and no more of them than a call may send', async () => {
  verifies('output.secrets');
  const secret = `ghp_${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}`;
  const [one] = await told([log('info', { [secret]: secret })]);
  assert.ok(one !== undefined && !one.includes(secret));
  assert.equal((await told(Array.from({ length: 1500 }, () => log('info')))).length, 1000);
  const long = log('info', 'y'.repeat(60_000));
  assert.equal((await told(Array.from({ length: 30 }, () => long))).length, 17);
});
