import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noRedis } from '../state/support.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { end, modern, result, text } from './support/attempts.ts';
import { Fleet } from './support/fleet.ts';
import { Till } from './support/till.ts';
import { type Json, Wire } from './support/wire.ts';

const AT = [0, 1, 2];
const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
const NOT_FOUND = -32602;
const permit = (tool: string): string =>
  `permit (principal in Tenant::"acme", action == Action::"till/${tool}", resource == Tenant::"acme");\n`;

test('tasks of both eras at three gateways behind one address', { skip: noRedis, timeout: 600_000 }, async (t) => {
  const till = await Till.start(t);
  const fleet = await Fleet.start(t, {
    policy: permit('echo') + permit('hold'),
    prepare: (workspace) => till.addTo(workspace, 'hold: { breaker: { p99: 1m }, cost: { usd: 1, monthly_usd: 7 } }'),
  });
  const wires: Wire[] = [];
  t.after(() => wires.map((wire) => wire.close()));
  const wireOf = async (subject: string): Promise<Wire> => {
    const wire = new Wire(fleet, await fleet.token(subject));
    wires.push(wire);
    return wire;
  };
  const [alice, bob] = [await wireOf('alice'), await wireOf('bob')];
  const codeOf = async (answer: ReturnType<Wire['send']>): Promise<number> => (await end(await answer))?.error?.code;

  /** The era's own way to make a task of a call and to ask for it; each at the replica that is named. */
  const legacy = (wire: Wire) => {
    const send = (method: string, params: object, at: number) =>
      wire.send({ id: 1, method, params }, { headers: { 'mcp-protocol-version': '2025-11-25' }, at });
    return {
      make: async (tool: string, at: number, args: object = {}): Promise<string> => {
        const call = { name: `till__${tool}`, arguments: args, task: { ttl: 600_000 } };
        return (await result(send('tools/call', call, at))).task.taskId;
      },
      about: (what: string, taskId: string, at: number) => send(`tasks/${what}`, { taskId }, at),
    };
  };
  const newer = (wire: Wire) => ({
    make: async (tool: string, at: number, args: object = {}): Promise<string> => {
      const call = { name: `till__${tool}`, arguments: args };
      const { resultType, taskId } = await result(modern(wire, 'tools/call', call, TASKS, at));
      assert.equal(resultType, 'task');
      return taskId;
    },
    about: (what: string, taskId: string, at: number) => modern(wire, `tasks/${what}`, { taskId }, TASKS, at),
  });
  const eras = [
    { name: '2025-11-25', of: legacy, result: 'result' },
    { name: '2026-07-28', of: newer, result: 'get' },
  ];

  for (const { name, of, result: asked } of eras)
    await t.test(
      `${name}: made at one gateway, seen, read and cancelled at the others, by its own subject alone`,
      async () => {
        verifies('authz.default-deny', 'limits.fleet');
        const [hers, his] = [of(alice), of(bob)];
        const [made, stopped] = await Promise.all([hers.make('hold', 0, { text: name }), hers.make('hold', 1)]);
        for (const at of AT) assert.equal((await result(hers.about('get', made, at))).status, 'working');
        for (const at of AT)
          for (const what of ['get', asked, 'cancel']) assert.equal(await codeOf(his.about(what, made, at)), NOT_FOUND);
        await result(hers.about('cancel', stopped, 2));
        for (const at of AT) assert.equal((await result(hers.about('get', stopped, at))).status, 'cancelled');
        for (const answer of till.held.splice(0)) answer();
        await until(async () => (await result(hers.about('get', made, 2))).status === 'completed');
        for (const at of AT) {
          const told: Json = await result(hers.about(asked, made, at));
          assert.equal(text(asked === 'get' ? told.result : told), `it said ${name}`);
          assert.equal(await codeOf(his.about(asked, made, at)), NOT_FOUND);
        }
      },
    );

  await t.test('a list tells of those at all gateways, to their own subject', async () => {
    const [hers, his] = [legacy(alice), legacy(bob)];
    const made = await Promise.all(AT.map((at) => hers.make('echo', at)));
    const other = await his.make('echo', 1);
    const list = async (wire: Wire, at: number): Promise<string[]> => {
      const headers = { 'mcp-protocol-version': '2025-11-25' };
      const { tasks } = await result(wire.send({ id: 1, method: 'tasks/list', params: {} }, { headers, at }));
      return tasks.map(({ taskId }: Json) => taskId);
    };
    for (const at of AT) {
      const listed = await list(alice, at);
      assert.deepEqual(
        made.filter((id) => !listed.includes(id)),
        [],
      );
      assert.equal(listed.includes(other), false);
      assert.deepEqual(await list(bob, at), [other]);
    }
  });

  await t.test(
    'the gateway that has a task is killed: the others say that it is not there, and what it had reserved is free again',
    async () => {
      verifies('limits.fleet', 'limits.cost');
      // Four of seven dollars went to the tasks above: a call that was cancelled costs what it had reserved.
      const [before, after] = [legacy(alice), newer(alice)];
      const kept = [await before.make('hold', 0), await before.make('hold', 0)];
      const newest = await after.make('hold', 0);
      const oneMore = async (at: number): Promise<string> => {
        const call = { name: 'till__hold', arguments: {}, task: { ttl: 600_000 } };
        const headers = { 'mcp-protocol-version': '2025-11-25' };
        const told = await end(await alice.send({ id: 1, method: 'tools/call', params: call }, { headers, at }));
        return told?.error?.data?.reason ?? told?.error?.message ?? 'ok';
      };
      assert.equal(await oneMore(1), 'budget');
      const waits = before.about('result', kept[0] ?? '', 1);
      // Its gateway has it: then it lists what was asked behind it.
      assert.equal((await result(before.about('get', kept[1] ?? '', 1))).status, 'working');
      await fleet.replica(0).stop('SIGKILL');
      const lost = await waits;
      assert.deepEqual([lost.status, (await end(lost))?.result], [503, undefined]);
      for (const at of [1, 2]) {
        for (const what of ['get', 'result', 'cancel'])
          for (const id of kept) assert.equal(await codeOf(before.about(what, id, at)), NOT_FOUND, what);
        for (const what of ['get', 'cancel'])
          assert.equal(await codeOf(after.about(what, newest, at)), NOT_FOUND, what);
      }
      for (const at of [1, 2, 1])
        await until(async () => {
          const told = await oneMore(at);
          assert.ok(['ok', 'budget', 'Not available'].includes(told), told);
          return told === 'ok';
        });
      assert.equal(await oneMore(2), 'budget');
    },
  );
});
