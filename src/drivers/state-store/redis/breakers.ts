import { BREAKER, type Seen, type Turned, type Watch } from '../../../contract/breaker.ts';
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
