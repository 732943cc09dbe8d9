import type { TestContext } from 'node:test';
import type { Bucket } from '../../src/contract/limits.ts';
import type { StateStore } from '../../src/contract/state-store.ts';
import { memoryStore } from '../../src/drivers/state-store/memory.ts';
import { noRedis, openShared, redisServer } from './support.ts';

/** Two holders of one store, whose time passes when the test says so; a step is what a clock is set by. */
export interface Rig {
  readonly stores: readonly [StateStore, StateStore];
  pass(ms: number): Promise<void>;
  step(ms: number): void;
  /** Of the clock that its figures go by, in milliseconds. What passes right after a step is taken in with it. */
  now(): number;
}
interface Driver {
  readonly name: string;
  readonly skip: string | false;
  open(t: TestContext): Promise<() => Promise<Rig>>;
}

const START = 1_700_000_000_000;
export const drivers: readonly Driver[] = [
  {
    name: 'memory',
    skip: false,
    async open() {
      return async () => {
        const clock = { steady: 5_000, wall: START };
        const store = memoryStore(() => clock.wall, { steady: () => clock.steady });
        const pass = async (ms: number) => {
          clock.steady += ms;
          clock.wall += ms;
        };
        return {
          stores: [store, store],
          pass,
          step: (ms) => {
            clock.wall += ms;
          },
          now: () => clock.steady,
        };
      };
    },
  },
  {
    name: 'redis',
    skip: noRedis,
    async open(t) {
      const { url } = await redisServer(t);
      // A tick would carry a wall clock of before over another connection, and come after what carries a later one.
      t.mock.timers.enable({ apis: ['setInterval'] });
      const clock = { wall: START, at: START, isSet: false };
      const open = () => openShared(url, { wall: () => clock.wall, fill: 0 });
      const [one, other] = [await open(), await open()];
      t.after(() => Promise.all([one.close(), other.close()]));
      const nobody: Bucket = { key: 'the clock moves with whoever asks', interval: 1, burst: 1 };
      return async () => ({
        stores: [one, other],
        pass: async (ms) => {
          for (let left = ms; left > 0; left -= 2000) {
            const step = Math.min(left, 2000);
            clock.wall += step;
            if (!clock.isSet) clock.at += step;
            clock.isSet = false;
            await one.take({ own: nobody, further: [] });
          }
        },
        step: (ms) => {
          clock.wall += ms;
          clock.isSet = true;
        },
        now: () => clock.at,
      });
    },
  },
];
