import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { noRedis, redisServer } from '../state/support.ts';
import { callText, post } from '../support/http.ts';
import { Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { Till } from './support/till.ts';
import type { Json } from './support/wire.ts';

const TIMED = { skip: noRedis, timeout: 400_000 };
const policy = 'permit (principal in Tenant::"acme", action == Action::"till/echo", resource == Tenant::"acme");\n';
const config = (state: string) =>
  `edge: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nstate: "${state}"\nlimits: { per_subject: { rate: 1/h, burst: 60 } }\n`;

test('several workers are refused where each would count for itself', async (t) => {
  const workspace = new Workspace({ 'innerkeep.yaml': config('memory'), 'policies/p.cedar': '' });
  t.after(() => workspace.remove());
  const { code, stderr } = await workspace.run('up', '--workers', '2');
  assert.equal(code, 2);
  assert.match(stderr, /state: 2 workers cannot share the memory of one process.*name a Redis/s);
  for (const wrong of ['0', '65']) assert.equal((await workspace.run('up', '--workers', wrong)).code, 2);
});

test(
  'workers of one machine share its port and one truth; one that is killed is replaced, and the others go on',
  TIMED,
  async (t) => {
    verifies('limits.fleet');
    const [till, redis] = [await Till.start(t), await redisServer(t)];
    const workspace = new Workspace({ 'innerkeep.yaml': config(redis.url), 'policies/p.cedar': '' });
    t.after(() => workspace.remove());
    await workspace.must('add', till.url, '--name', 'till', '--yes');
    writeFileSync(join(workspace.dir, 'policies/p.cedar'), policy);
    const product = await workspace.up('--workers', '3');
    t.after(() => product.stop());
    const token = await product.token('--ttl', '1h');
    /** Each over a connection of its own, which the kernel gives to one of them. */
    const call = async (subject: string): Promise<number | string> =>
      post(product, callText('till__echo', '{"text":"x"}'), { token: subject }).then(
        ({ status }) => status,
        () => 'cut',
      );
    const serving = async (): Promise<string[]> => {
      const { gateways } = JSON.parse(await workspace.must('policy', 'history', '--json'));
      return gateways.flatMap(({ name, connected, bundle }: Json) => (connected && bundle > 0 ? [name] : []));
    };
    await until(async () => (await serving()).join() === 'local,local-2,local-3');
    const statuses: (number | string)[] = [];
    for (let round = 0; round < 12; round++)
      statuses.push(...(await Promise.all(Array.from({ length: 8 }, () => call(token)))));
    const [ok = 0, rate = 0, away = 0] = [200, 429, 503].map(
      (one) => statuses.filter((status) => status === one).length,
    );
    // A machine that is too busy to answer within a second is refused, and what it would have let pass is lost.
    assert.ok(ok <= 60 && ok + away >= 60 && ok + rate + away === 96, statuses.join());
    const logs = () =>
      readdirSync(join(workspace.dir, '.innerkeep/audit'))
        .filter((name) => name.endsWith('.jsonl'))
        .map((name) => readFileSync(join(workspace.dir, '.innerkeep/audit', name), 'utf8'));
    assert.equal(logs().filter((log) => /"event":"outcome"/.test(log)).length, 3, 'each has served some');

    const other = await product.token('--subject', 'bob', '--tenant', 'acme', '--ttl', '1h');
    const victim = workerOf(product.pid);
    process.kill(victim, 'SIGKILL');
    // Those that the kernel still gives to the dead one are cut; all others are answered.
    const during = await Promise.all(Array.from({ length: 12 }, () => call(other)));
    assert.ok(
      during.every((status) => status === 200 || status === 503 || status === 'cut'),
      during.join(),
    );
    await until(() => /"event":"replaced"/.test(product.stderr()));
    await until(async () => (await serving()).length === 3);
    await until(async () => (await call(other)) === 200);
    await until(async () => (await call(token)) === 429);
  },
);

/** The last gateway that was started below this process. */
function workerOf(pid: number): number {
  const found: number[] = [];
  const visit = (parent: number): void => {
    const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').filter(Boolean);
    for (const child of children.map(Number)) {
      if (readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('zone-gateway')) found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return Math.max(...found);
}
