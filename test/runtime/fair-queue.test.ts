import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FairQueue } from '../../src/runtime/sandboxing/fair-queue.ts';
import { SandboxPool } from '../../src/runtime/sandboxing/pool.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { verifies } from '../support/verifies.ts';
import { InstantDriver } from './instant-driver.ts';
import { stdioServer } from './support.ts';

const { signal } = new AbortController();
const used = new UpstreamFailure('isolation', 'used once');

test('whoever waits is taken once, in his own order, and after at most as many of each other party as stand before him in his own row', () => {
  verifies('limits.subject');
  const command = fc.record({
    party: fc.constantFrom('a', 'b', 'c'),
    kind: fc.constantFrom('add', 'add', 'take', 'gone'),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const queue = new FairQueue<number>();
      const rows = new Map<string, number[]>([
        ['a', []],
        ['b', []],
        ['c', []],
      ]);
      const promised = new Map<number, number>();
      let arrivals = 0;
      const take = (): void => {
        const one = queue.take();
        const row = [...rows.values()].find(([first]) => first !== undefined && first === one);
        assert.equal(row === undefined, one === undefined, `${one} was not the first of its row`);
        row?.shift();
        for (const [other, left] of promised) promised.set(other, left - 1);
        if (one !== undefined) assert.ok((promised.get(one) ?? -1) >= 0, 'others went before');
        promised.delete(one ?? 0);
      };
      for (const { party, kind } of commands) {
        const row = rows.get(party) as number[];
        if (kind === 'add') {
          arrivals++;
          // Between two of one row, each of three parties has one turn at most, whoever comes meanwhile.
          promised.set(arrivals, 3 * (row.length + 1));
          queue.add(party, arrivals, arrivals);
          row.push(arrivals);
        } else if (kind === 'take') take();
        else {
          const gone = row.pop();
          assert.equal(queue.remove(party, gone ?? 0), gone !== undefined);
          promised.delete(gone ?? 0);
        }
        const all = [...rows.values()].flat();
        assert.equal(queue.size, all.length);
        assert.equal(queue.oldest, Math.min(...all));
      }
      const ahead = queue.turnOf('c');
      queue.add('c', ++arrivals, arrivals);
      rows.get('c')?.push(arrivals);
      promised.set(arrivals, ahead);
      while (queue.size > 0) take();
      assert.equal(queue.take(), undefined);
    }),
    { numRuns: 300 },
  );
});

test('a hundred calls of one tenant wait, and the first of another has the next sandbox but one', async (t) => {
  verifies('limits.subject');
  const driver = new InstantDriver();
  const pool = new SandboxPool({ starts: 1, live: 1, memory: 2 ** 40, idle: 0, queue: 500, handshake: 5000 }, () => {});
  t.after(() => pool.close());
  pool.add(stdioServer(''), driver, Date.now);
  const order: string[] = [];
  const call = async (tenant: string): Promise<void> => {
    const { session } = await pool.acquire('tool', signal, tenant);
    order.push(tenant);
    session.fail(used);
  };
  const flood = Array.from({ length: 100 }, () => call('evil'));
  const one = call('good');
  let ended = false;
  const all = Promise.all([...flood, one]).then(() => {
    ended = true;
  });
  for (let started = 0; !ended; await new Promise((resolve) => setImmediate(resolve)))
    for (; started < driver.starts.length; started++) driver.starts[started]?.finish();
  await all;
  assert.equal(order.length, 101);
  assert.ok(order.indexOf('good') <= 1, `it was number ${order.indexOf('good')}`);
});

test('a call that would wait for too long is refused when it comes, and one of a tenant without a row is not', async () => {
  verifies('limits.subject');
  const driver = new InstantDriver();
  const pool = new SandboxPool({ starts: 1, live: 1, memory: 2 ** 40, idle: 0, queue: 500, handshake: 5000 }, () => {});
  pool.add(stdioServer(''), driver, Date.now);
  // A call has its sandbox for six seconds.
  for (let call = 0; call < 200; call++) pool.used('tool', 6000);
  const waiting = Array.from({ length: 3 }, () => pool.acquire('tool', signal, 'evil'));
  await assert.rejects(pool.acquire('tool', signal, 'evil'), { code: 'overload', detail: /would wait 24 s/ });
  const other = pool.acquire('tool', signal, 'good');
  const ended = Promise.allSettled([...waiting, other]);
  const closed = pool.close();
  for (const start of driver.starts) start.finish();
  await closed;
  for (const { status } of await ended) assert.equal(status, 'rejected');
});
