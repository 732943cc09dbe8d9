import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { follow, groupsOf } from './relations.ts';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'innerkeep');
const [program] = globSync('openfga-*/openfga', { cwd: cache }).sort().reverse();

const teams = {
  schema_version: '1.1',
  type_definitions: [
    { type: 'user' },
    {
      type: 'team',
      relations: { member: { this: {} } },
      metadata: {
        relations: {
          member: { directly_related_user_types: [{ type: 'user' }, { type: 'team', relation: 'member' }] },
        },
      },
    },
  ],
};

interface Key {
  readonly user: string;
  readonly relation: string;
  readonly object: string;
}
const member = (object: string, user: string): Key => ({ user, relation: 'member', object });

/** A real OpenFGA, its tuples in memory, with one store in it. */
async function openFga(t: TestContext) {
  const [http, grpc] = await Promise.all([freePort(), freePort()]);
  const where = ['--http-addr', `127.0.0.1:${http}`, '--grpc-addr', `127.0.0.1:${grpc}`];
  const quiet = ['--playground-enabled=false', '--metrics-enabled=false', '--log-level', 'error'];
  const known = ['--authn-method', 'preshared', '--authn-preshared-keys', 'preshared'];
  const server = spawn(join(cache, String(program)), ['run', ...where, ...quiet, ...known], {
    stdio: 'ignore',
    env: {},
  });
  const exited = once(server, 'exit');
  const stop = async () => {
    server.kill('SIGKILL');
    await exited;
  };
  t.after(stop);
  const url = `http://127.0.0.1:${http}`;
  const say = async (path: string, body: object) => {
    const headers = { authorization: 'Bearer preshared', 'content-type': 'application/json' };
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, `${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  };
  await until(() =>
    fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const { id } = (await say('/stores', { name: 'test' })) as { id: string };
  await say(`/stores/${id}/authorization-models`, teams);
  const change = (kind: 'writes' | 'deletes', tuple_keys: readonly Key[]) =>
    say(`/stores/${id}/write`, { [kind]: { tuple_keys } });
  return { url, id, change, stop };
}

test('a real OpenFGA: many pages, each change once, silence where nothing changed, and its last word while it is away', {
  skip: program === undefined && 'openfga is not there; npm run servers brings it',
  timeout: 400_000,
}, async (t) => {
  verifies('authz.engine', 'authz.default-deny');
  const { url, id, change, stop } = await openFga(t);
  const all = Array.from({ length: 230 }, (_, n) => member(`team:t${n}`, `user:u${n % 2}`));
  for (let from = 0; from < all.length; from += 100) await change('writes', all.slice(from, from + 100));
  await change('writes', [member('team:all', 'team:t1#member')]);
  const { follower, told, turn } = follow(t, url, id, Date.now);
  await follower.start();
  assert.equal(groupsOf(follower, 'u0').length, 115);
  assert.equal(groupsOf(follower, 'u1').length, 116);
  assert.ok(groupsOf(follower, 'u1').includes('Group\nteam/all'));
  for (let look = 0; look < 3; look++) await turn();
  assert.deepEqual(told, { changed: 0, alerts: [] });

  await change('writes', [member('team:t1', 'user:bob')]);
  await turn();
  assert.deepEqual([told.changed, groupsOf(follower, 'bob')], [1, ['Group\nteam/all', 'Group\nteam/t1']]);
  await turn();
  assert.equal(told.changed, 1);
  await change('deletes', [member('team:t1', 'user:bob')]);
  await turn();
  assert.deepEqual([told.changed, groupsOf(follower, 'bob')], [2, []]);

  await stop();
  await turn();
  assert.equal(told.alerts.length, 1);
  assert.equal(groupsOf(follower, 'u0').length, 115);
  await turn(70_000);
  assert.deepEqual(follower.sources, []);
});
