import {
  BREAKER,
  type BreakerLevel,
  type Evidence,
  type Seen,
  type Turned,
  type Watch,
} from '../../../contract/breaker.ts';
import { type Counts, Window } from './window.ts';

interface Open {
  until: number;
  readonly evidence: Evidence;
  probe: { readonly id: string; readonly until: number } | undefined;
}

/** Observations after which windows that are over are looked for. */
const SWEEP_EVERY = 1000;

/** Breakers of one process. All times are milliseconds of a clock that never goes back. */
export class Breakers {
  readonly #open = new Map<string, Open>();
  readonly #windows = new Map<string, Window>();
  #observed = 0;

  /** The breaker that lets nobody through now, and the milliseconds until somebody may try it. */
  refusal({ levels }: Watch, now: number): { readonly key: string; readonly wait: number } | undefined {
    for (const { key } of levels) {
      const open = this.#open.get(key);
      if (open === undefined) continue;
      const wait = Math.max(open.until, open.probe?.until ?? 0) - now;
      if (wait > 0) return { key, wait };
    }
    return undefined;
  }

  /** The call is let through. @returns whether it is the one by which a breaker is tried */
  pass({ id, levels }: Watch, now: number): boolean {
    let isProbe = false;
    for (const { key } of levels) {
      const open = this.#open.get(key);
      if (open === undefined) continue;
      open.probe = { id, until: now + BREAKER.probe };
      isProbe = true;
    }
    return isProbe;
  }

  /** @param seen undefined: nobody knows what came of it */
  observe({ id, levels }: Watch, seen: Seen | undefined, now: number): Turned[] {
    if (++this.#observed % SWEEP_EVERY === 0) this.#sweep(now);
    return levels.flatMap((level) => {
      const open = this.#open.get(level.key);
      if (open === undefined) return seen === undefined ? [] : this.#count(level, seen, now);
      // What began before it opened says nothing of what is now.
      return open.probe?.id === id ? this.#probed(level.key, open, seen, now) : [];
    });
  }

  #probed(key: string, open: Open, seen: Seen | undefined, now: number): Turned[] {
    open.probe = undefined;
    if (seen === undefined) return [];
    if (seen.slow || seen.fault) {
      open.until = now + BREAKER.open;
      return [];
    }
    this.#open.delete(key);
    this.#windows.delete(key);
    return [{ key, to: 'closed', evidence: open.evidence }];
  }

  #count({ key, party }: BreakerLevel, seen: Seen, now: number): Turned[] {
    const isTrouble = seen.slow || seen.fault;
    // One caller's own begins with his first trouble: of a million callers, only those who have any are remembered.
    const known = this.#windows.get(key);
    const isOver = known === undefined || known.isOver(now);
    if (party === undefined && !isTrouble && isOver) return [];
    const window = known ?? new Window();
    this.#windows.set(key, window);
    window.add(party ?? '', seen, now);
    if (!isTrouble) return [];
    const parties = window.parties();
    const isOwn = party === undefined;
    if (!exceeded(parties, 'slow', BREAKER.slowShare, isOwn) && !exceeded(parties, 'faults', BREAKER.faultShare, isOwn))
      return [];
    const evidence = sum(parties);
    this.#open.set(key, { until: now + BREAKER.open, evidence, probe: undefined });
    return [{ key, to: 'open', evidence }];
  }

  #sweep(now: number): void {
    for (const [key, window] of this.#windows) if (window.isOver(now)) this.#windows.delete(key);
    for (const [key, { until }] of this.#open) if (until + BREAKER.forgotten < now) this.#open.delete(key);
  }
}

/** Whether more than one in `share` is in trouble: of all calls, and of all but those of who has most of it. */
function exceeded(parties: readonly Counts[], kind: 'slow' | 'faults', share: number, isOwn: boolean): boolean {
  const all = sum(parties);
  if (all.calls < BREAKER.calls || all[kind] < BREAKER.troubles || all[kind] * share <= all.calls) return false;
  if (isOwn) return true;
  const worst = parties.reduce((one, other) =>
    other[kind] > one[kind] || (other[kind] === one[kind] && other.calls < one.calls) ? other : one,
  );
  const [calls, troubles] = [all.calls - worst.calls, all[kind] - worst[kind]];
  return calls >= BREAKER.others && troubles * share > calls;
}

function sum(parties: readonly Counts[]): Evidence {
  const total = { calls: 0, slow: 0, faults: 0 };
  for (const { calls, slow, faults } of parties) {
    total.calls += calls;
    total.slow += slow;
    total.faults += faults;
  }
  return total;
}
