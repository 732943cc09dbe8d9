import { after, before, test } from 'node:test';
import { kinds } from './support/clients.ts';
import { opened, worksOver } from './support/flows.ts';
import { type Gateway, servers, startGateway } from './support/gateway.ts';

/** Each stock client, on each way, to each server: calls, progress, forms, the client's model, its roots. */
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
