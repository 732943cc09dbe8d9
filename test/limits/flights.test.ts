import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../src/contract/refusal.ts';
import { Flights } from '../../src/gateway/limits/flights.ts';
import { callText, post } from '../support/http.ts';
import { Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';

const limits = { total: 40, perServer: 20 };
function entered(flights: Flights, server: string, tenant: string): (() => void) | undefined {
  try {
    return flights.enter(server, tenant, limits);
  } catch (error) {
    assert.ok(error instanceof Refusal && error.code === 'overload', String(error));
    return undefined;
  }
}
const flood = (flights: Flights, server: string, tenant: string, count = 1000): (() => void)[] =>
  Array.from({ length: count }, () => entered(flights, server, tenant)).filter((one) => one !== undefined);

test('whoever floods one server has half of its room, and a place that is given back twice is one place', () => {
  verifies('limits.subject');
  const flights = new Flights();
  const evil = flood(flights, 'a', 'evil');
  assert.equal(evil.length, 10);
  assert.equal(flood(flights, 'a', 'good', 6).length, 6);
  // Half of all is his too, and not more, however many servers he floods.
  assert.equal(flood(flights, 'b', 'evil').length, 10);
  assert.equal(flood(flights, 'c', 'evil').length, 0);
  assert.equal(flood(flights, 'c', 'good', 3).length, 3);
  for (const leave of evil) {
    leave();
    leave();
  }
  assert.ok(flood(flights, 'a', 'evil').length <= 10);
});

test('over any order of calls and ends no room is overfull, a tenant that has few calls gets in, and all is free at the end', () => {
  verifies('limits.subject');
  const command = fc.record({ tenant: fc.nat(3), server: fc.nat(2), ends: fc.boolean() });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const flights = new Flights();
      const running: { tenant: string; server: string; leave: () => void }[] = [];
      const count = (is: (one: (typeof running)[number]) => boolean): number => running.filter(is).length;
      for (const { tenant: who, server: where, ends } of commands) {
        const [tenant, server] = [`t${who}`, `s${where}`];
        if (ends) running.splice(0, 1)[0]?.leave();
        const there = count((one) => one.server === server);
        const own = count((one) => one.server === server && one.tenant === tenant);
        const ownAll = count((one) => one.tenant === tenant);
        const leave = entered(flights, server, tenant);
        if (leave !== undefined) running.push({ tenant, server, leave });
        assert.ok(there + (leave === undefined ? 0 : 1) <= 20 && running.length <= 40);
        // Four tenants at most: a fifth part of what there is, nobody can take from anybody while there is room.
        if (own < 4 && ownAll < 8 && there < 20 && running.length < 40) assert.ok(leave !== undefined);
        assert.ok(count((one) => one.server === server && one.tenant === tenant) <= 10);
      }
      for (const { leave } of running) leave();
      assert.equal(flood(flights, 's0', 't0').length, 10);
    }),
    { numRuns: 50 },
  );
});

test('one tenant floods a server that does not answer; another one is answered by it, and what there is no room for is refused at once', async (t) => {
  verifies('limits.subject');
  const hanging: ServerResponse[] = [];
  const server = createServer(async (request, response) => {
    const { id, method, params } = JSON.parse(await text(request));
    const say = (message: object): void => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...message }));
    };
    const tools = [{ name: 'echo', inputSchema: { type: 'object', properties: { hang: { type: 'boolean' } } } }];
    if (id === undefined) return response.writeHead(202).end();
    if (method === 'initialize')
      return say({
        result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } },
      });
    if (method === 'tools/list') return say({ result: { tools } });
    if (method !== 'tools/call') return say({ error: { code: -32601, message: 'no' } });
    return params.arguments.hang ? hanging.push(response) : say({ result: { content: [] } });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const permits = ['evil', 'good'].map(
    (tenant) =>
      `permit (principal in Tenant::"${tenant}", action == Action::"far/echo", resource == Tenant::"${tenant}");\n`,
  );
  const workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 10000/min, burst: 500 }, in_flight: { per_server: 20 } }
`,
    'policies/p.cedar': permits.join(''),
  });
  t.after(() => {
    workspace.remove();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  await workspace.must('add', `http://127.0.0.1:${port}/mcp`, '--name', 'far', '--yes');
  const product = await workspace.up();
  t.after(() => product.stop());
  const evil = await product.token('--subject', 'eve', '--tenant', 'evil');
  const good = await product.token('--subject', 'alice', '--tenant', 'good');
  const call = (token: string, hang: boolean) =>
    post(product, callText('far__echo', JSON.stringify({ hang })), { token });

  const first = Array.from({ length: 40 }, () => call(evil, true));
  await until(() => hanging.length === 10);
  // Those that hang hold their places all the while.
  const refused = await call(evil, false);
  assert.deepEqual([refused.status, refused.json.error.data.reason], [429, 'rate']);
  assert.equal(refused.headers['retry-after'], '1');
  for (let at = 0; at < 20; at++) assert.equal((await call(good, false)).status, 200);
  assert.equal(hanging.length, 10);
  for (const response of hanging) response.destroy();
  const answers = await Promise.all(first);
  assert.equal(answers.filter(({ status }) => status === 429).length, 30);
  assert.equal((await call(evil, false)).status, 200);
});
