import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Demand } from '../../src/runtime/sandboxing/demand.ts';
import { SandboxPool } from '../../src/runtime/sandboxing/pool.ts';
import type { Ready } from '../../src/runtime/sandboxing/start-sandbox.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';
import { verifies } from '../support/verifies.ts';
import { InstantDriver } from './instant-driver.ts';
import { stdioServer } from './support.ts';

const LIMITS = { starts: 2, live: 4, memory: 5 << 20, idle: 3, queue: 8, handshake: 60_000 };
const SERVERS = { small: 1 << 20, large: 2 << 20, third: 1 << 20, fourth: 1 << 20 };
type Name = keyof typeof SERVERS;
const used = new UpstreamFailure('isolation', 'used once');

interface Call {
  readonly server: Name;
  readonly controller: AbortController;
  outcome: 'waits' | 'serves' | 'done' | 'refused';
  ready?: Ready;
}

/** The pool beside what is known of it from outside: each call, in its order, and what became of it. */
class World {
  readonly driver = new InstantDriver();
  readonly pool = new SandboxPool(LIMITS, () => {});
  readonly calls: Call[] = [];
  readonly given = new Set<Ready['session']>();
  readonly faults: string[] = [];
  time = 0;

  constructor() {
    for (const [name, memory] of Object.entries(SERVERS))
      this.pool.add(stdioServer('', { name, memory }), this.driver, () => this.time);
  }

  call(server: Name): void {
    const call: Call = { server, controller: new AbortController(), outcome: 'waits' };
    this.calls.push(call);
    this.pool.acquire(server, call.controller.signal).then(
      (ready) => {
        if (this.given.has(ready.session)) this.faults.push('a sandbox was given twice');
        this.given.add(ready.session);
        // Earlier calls of the same server wait no more, unless they were taken back in this very turn.
        const before = this.calls.slice(0, this.calls.indexOf(call));
        const overtaken = before.find((other) => other.server === server && other.outcome === 'waits');
        if (overtaken?.controller.signal.aborted === false) this.faults.push('a later call was served first');
        call.ready = ready;
        call.outcome = 'serves';
      },
      (error: unknown) => {
        if (!(error instanceof UpstreamFailure)) this.faults.push(String(error));
        call.outcome = 'refused';
      },
    );
  }

  /** Settles what is in the way, and looks whether every bound holds. */
  async look(): Promise<void> {
    for (let n = 0; n < 12; n++) {
      await turn();
      assert.deepEqual(this.faults, []);
      const memory = [...this.driver.living].reduce((sum, sandbox) => sum + sandbox.memory, 0);
      assert.ok(this.driver.living.size <= LIMITS.live, `${this.driver.living.size} live`);
      assert.ok(memory <= LIMITS.memory, `${memory} bytes`);
      assert.ok(this.pool.state.idle <= LIMITS.idle, `${this.pool.state.idle} idle`);
      assert.ok(this.driver.starts.length <= LIMITS.starts, `${this.driver.starts.length} starts`);
      assert.ok(this.pool.state.waiting <= LIMITS.queue, `${this.pool.state.waiting} wait`);
    }
  }

  of(outcome: Call['outcome']): Call[] {
    return this.calls.filter((call) => call.outcome === outcome);
  }

  end(call: Call): void {
    call.ready?.session.fail(used);
    call.outcome = 'done';
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('call'),
      server: fc.constantFrom<Name[]>('small', 'large', 'third', 'fourth'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish'), at: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end'), at: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('fail', 'break', 'abort', 'die', 'trim'), at: fc.nat(9) }),
  },
);

function take<T>(list: readonly T[], at: number): T | undefined {
  return list[at % Math.max(1, list.length)];
}

async function play(world: World, what: { kind: string; at?: number; server?: Name }): Promise<void> {
  const { kind, at = 0, server = 'small' } = what;
  const { starts, living } = world.driver;
  if (kind === 'call') world.call(server);
  else if (kind === 'finish') starts.splice(at % Math.max(1, starts.length), 1)[0]?.finish();
  else if (kind === 'fail') starts.splice(at % Math.max(1, starts.length), 1)[0]?.fail();
  else if (kind === 'break') {
    for (let round = 0; round < 4; round++) {
      for (const start of starts.splice(0)) start.fail();
      await world.look();
    }
  } else if (kind === 'abort') take(world.of('waits'), at)?.controller.abort();
  else if (kind === 'trim') {
    world.time += 60_000;
    world.pool.trim();
  } else if (kind === 'die') void take([...living], at)?.kill();
  else {
    const call = take(world.of('serves'), at);
    if (call) world.end(call);
  }
}

test('in any order of events no sandbox is given twice, none overtakes, none is lost, no bound is broken', async () => {
  verifies('sandbox.isolation');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const world = new World();
      for (const what of steps) {
        await play(world, what);
        await world.look();
      }
      // When nothing goes wrong any more, everybody who still waits is served.
      for (let rounds = 0; world.of('waits').length > 0; rounds++) {
        assert.ok(rounds < 200, `${world.of('waits').length} calls were lost`);
        for (const start of world.driver.starts.splice(0)) start.finish();
        await world.look();
        for (const call of world.of('serves')) world.end(call);
      }
      const closed = world.pool.close();
      for (let turns = 0; turns < 3; turns++) {
        await turn();
        for (const start of world.driver.starts.splice(0)) start.finish();
      }
      await closed;
      assert.equal(world.driver.living.size, 0);
    }),
    { numRuns: 200 },
  );
});

test('more calls have more sandboxes made ready, silence fewer, and never more or fewer than the bounds', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(60_000), fc.nat(5000)), { maxLength: 100 }), (events) => {
      let time = 1_000_000;
      const demand = new Demand(() => time);
      for (const [pause, took] of events) {
        time += pause;
        const before = demand.target;
        demand.arrived();
        assert.ok(demand.target >= before);
        demand.made(took);
        assert.ok(demand.target >= 2 && demand.target <= 8);
      }
      time += 10 * 60_000;
      assert.equal(demand.target, 2);
    }),
  );
});

test('twenty calls a second of a server that takes 200 ms to start keep six ready', () => {
  let time = 0;
  const demand = new Demand(() => time);
  for (let n = 0; n < 50; n++) demand.made(200);
  for (let n = 0; n < 2000; n++) {
    time += 50;
    demand.arrived();
  }
  assert.equal(demand.target, 6);
  time += 20_000;
  assert.equal(demand.target, 3);
});
