import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { RelationsFollower } from '../../src/control-plane/relations/follower.ts';
import { OpenFgaStore, type Tuple } from '../../src/control-plane/relations/openfga.ts';
import { readRelations } from '../../src/drivers/policy-engine/cedar/relations.ts';
import { askStore } from '../../src/main/relations.ts';
import { TestClock } from '../sessions/support.ts';

export const settings = { users: { user: '{id}' }, groups: { 'team#member': 'team/{id}' }, away: 60_000 };

export function tuple(object: string, user: string, more: object = {}): Tuple {
  return { ...{ object, relation: 'member', user, condition: undefined }, ...more };
}

/** Zone 0 follows a store. @param now the store's time, in milliseconds since the epoch */
export function follow(t: TestContext, url: string, store: string, now?: () => number) {
  const clock = new TestClock();
  const told = { changed: 0, alerts: [] as (string | undefined)[] };
  let hasTurned = Promise.withResolvers<void>();
  const opened = new OpenFgaStore(askStore(url, 'preshared'), store, now ?? (() => clock.now()));
  const follower = new RelationsFollower({
    store: opened,
    settings,
    clock: {
      now: () => clock.now(),
      setTimer: (run, ms) => {
        const cancel = clock.setTimer(run, ms);
        hasTurned.resolve();
        return cancel;
      },
    },
    changed: () => void told.changed++,
    alert: (detail) => void told.alerts.push(detail),
  });
  t.after(() => follower.close());
  /** Until it has looked again. */
  const turn = async (ms = 5000) => {
    hasTurned = Promise.withResolvers<void>();
    clock.pass(ms);
    await hasTurned.promise;
  };
  return { follower, told, turn };
}

export function groupsOf(follower: RelationsFollower, user: string): readonly string[] {
  const { relations, problems } = readRelations(follower.sources);
  assert.deepEqual(problems, []);
  return [...relations.ancestors(`User\n${user}`, [])].sort();
}
