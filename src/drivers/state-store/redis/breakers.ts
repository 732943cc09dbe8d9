import { BREAKER, type Evidence, type Seen, type Turned, type Watch } from '../../../contract/breaker.ts';
import type { Reply } from './scripts.ts';

/** What `observe.lua` has to know, in its order. */
const SETTINGS = [
  ...[BREAKER.slot, BREAKER.calls, BREAKER.troubles, BREAKER.others],
  ...[BREAKER.slowShare, BREAKER.faultShare, BREAKER.open, BREAKER.forgotten, BREAKER.parties],
];

type Name = (key: string) => string;

export function breakerKeys(prefix: string, name: Name, watch: Watch | undefined): string[] {
  return watch?.levels.map(({ key }) => `${prefix}breaker:${name(key)}`) ?? [];
}

/** Arguments of `observe.lua` behind the epoch. */
export function observed(name: Name, { id, levels }: Watch, seen: Seen | undefined): (string | number)[] {
  const what = seen === undefined ? '' : `${Number(seen.slow)}${Number(seen.fault)}`;
  return [id, what, ...SETTINGS, ...levels.map(({ party }) => (party === undefined ? '' : name(party)))];
}

/** What `observe.lua` has answered: `WHICH open|closed CALLS SLOW FAULTS` for each. */
export function turnedBy({ levels }: Watch, [, ...reply]: Reply): Turned[] {
  return reply.map((text) => {
    const [which, to, calls, slow, faults] = String(text).split(' ');
    const evidence = { calls: Number(calls), slow: Number(slow), faults: Number(faults) };
    return { key: levels[Number(which) - 1]?.key ?? '', to: to === 'closed' ? to : 'open', evidence };
  });
}

/** As the scripts have it. */
export function evidenceText({ calls, slow, faults }: Evidence): string {
  return `${calls} ${slow} ${faults}`;
}

/** Breakers that are remembered; the oldest give way. */
const MOST = 10_000;

/** The breakers that this process knows to be open, for a store that has lost them: none closes before its time. */
export class OpenBreakers {
  readonly #steady: () => number;
  readonly #open = new Map<string, { readonly until: number; readonly evidence: string }>();

  constructor(steady: () => number = () => performance.now()) {
    this.#steady = steady;
  }

  /** @param wait milliseconds for which nobody is let through */
  learn(key: string, wait: number, evidence: string): void {
    this.#open.delete(key);
    this.#open.set(key, { until: this.#steady() + wait, evidence });
    const [oldest] = this.#open.keys();
    if (this.#open.size > MOST && oldest !== undefined) this.#open.delete(oldest);
  }

  /** With the milliseconds that are left. */
  get all() {
    const now = this.#steady();
    for (const [key, { until }] of this.#open) if (until <= now) this.#open.delete(key);
    return [...this.#open].map(([key, { until, evidence }]) => ({ key, left: Math.ceil(until - now), evidence }));
  }
}
