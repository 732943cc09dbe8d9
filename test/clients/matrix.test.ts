import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { kinds } from './support/clients.ts';
import { opened, worksOver } from './support/flows.ts';
import { type Gateway, policy, servers, startGateway } from './support/gateway.ts';
import { Mcpdo } from './support/mcpdo.ts';

/** Each stock client, on each way, to each server: calls, progress, forms, the client's model, its roots. */
const TIMED = { timeout: 300_000 };
let gateway: Gateway;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway?.stop());

for (const kind of kinds) {
  test(`${kind} at /mcp, and each server behind it`, async (t) => {
    await using client = await opened(kind, await gateway.http(undefined));
    for (const server of servers) await t.test(server, () => client.works(`${server}__`));
  });
  test(`${kind} through connect, and each server behind it`, async (t) => {
    await using client = await opened(kind, gateway.connect(undefined));
    for (const server of servers) await t.test(server, () => client.works(`${server}__`));
  });
  for (const server of servers)
    test(`${kind} at /mcp/${server}`, async () => worksOver(kind, await gateway.http(server)));
}

for (const server of servers)
  test(`SDK 1.32 at /mcp/${server}/sse (2024-11-05)`, async () => worksOver('SDK 1.32', await gateway.sse(server)));

test('connect --server shows one server under its own names', () =>
  worksOver('client 2.x legacy', gateway.connect('old-local')));

test('mcpdo: forms that are answered by another command', async (t) => {
  const mcpdo = new Mcpdo(gateway.product.ready.ca);
  const way = await gateway.http(undefined);
  const bridge = gateway.connect(undefined);
  assert.ok('url' in way && 'command' in bridge);
  const http = ['--transport', 'http', '--header', `Authorization: Bearer ${way.token}`];
  try {
    for (const era of ['legacy', 'modern']) {
      const { protocolEra } = await mcpdo.run('--connection', era, 'connect', way.url, '--era', era, ...http);
      assert.equal(protocolEra, era);
      for (const server of servers)
        await t.test(`--era ${era} at /mcp, ${server}`, async () =>
          assert.match(await mcpdo.deploys(era, server, ['approve:=true']), /deployed to production/),
        );
    }
    const own = ['connect', '--era', 'auto', '--', ...bridge.command];
    assert.equal((await mcpdo.run('--connection', 'bridge', ...own)).protocolEra, 'modern');
    for (const server of ['old-local', 'new-remote'])
      await t.test(`--era auto through connect, ${server}, declined`, async () =>
        assert.match(await mcpdo.deploys('bridge', server, ['--decline']), /not deployed: decline/),
      );
  } finally {
    await mcpdo.stop();
  }
});

test('a client that reads no more: connect ends, though its input stays open', TIMED, async () => {
  const way = gateway.connect(undefined);
  assert.ok('command' in way);
  const [command = '', ...args] = way.command;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  await once(child.stdout, 'data');
  child.stdout.destroy();
  child.stdin.write('{"jsonrpc":"2.0","id":2,"method":"ping"}\n');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('up is started again with another policy: the clients of connect go on, and are told', TIMED, async () => {
  await using legacy = await opened('SDK 1.32', gateway.connect(undefined));
  const told = new Promise<void>((resolve) => {
    legacy.who.changed = resolve;
  });
  assert.ok((await legacy.client.tools()).includes('old-local__echo'));
  await gateway.restart(policy.replace('Action::"old-local/echo", ', ''));
  await told;
  const names = await legacy.client.tools();
  assert.ok(!names.includes('old-local__echo') && names.includes('new-local__echo'));
});
