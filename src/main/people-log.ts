import type { PeopleEvent } from '../control-plane/issuer/people/people.ts';
import { edgeBudget } from '../gateway/audit/trail.ts';

/** Lines a second of what any stranger can cause, and characters of what he may say in one. */
const A_SECOND = 50;
const MAX_DETAIL = 512;

/** Nobody needs a passkey for these. What people did, and were given, is always written. */
const ANYBODYS = /-refused$|^foreign-form$|^upstream-(?:foreign-answer|not-authorized|unreachable)$/;

/**
 * The log of what happens at the issuer's pages: strangers cannot fill it.
 * @param now milliseconds since the epoch
 */
export function peopleLog(write: (event: object) => void, now: () => number): (event: PeopleEvent) => void {
  const budget = edgeBudget(A_SECOND, now);
  return (event) => {
    if (!ANYBODYS.test(event.event)) return write(event);
    const { write: may, suppressed } = budget();
    if (!may) return;
    const { detail } = event;
    write({
      ...event,
      ...(detail !== undefined && { detail: detail.slice(0, MAX_DETAIL) }),
      ...(suppressed > 0 && { suppressed }),
    });
  };
}
