import type { Clock } from '../../contract/clock.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import type { Loan, WireLease } from '../../contract/wire-secret.ts';
import { borrowed, type Lending, lentWords, Uses } from './lending.ts';

/** Milliseconds before the end of a lease at which the next one is taken. */
const AHEAD = 30_000;

/**
 * Runs a stream with what its server wants of this caller. A stream outlives every lease, so each is followed by another
 * before it is over; when that is not to be had, or lasts no longer, the stream ends with the lease.
 * @param call that began the stream: in its name everything is lent, and on record
 * @throws Refusal as `withCredentials`
 */
export async function withStandingLoan(
  lending: Lending,
  clock: Clock,
  call: Admitted,
  run: (loan: Loan, over: AbortSignal) => Promise<void>,
): Promise<void> {
  let leases = await borrowed(lending, call, false);
  let cancel = (): void => {};
  const uses = new Uses();
  const over = new AbortController();
  const giveBack = (lent: readonly WireLease[]): void => lending.giveBack(lent.map(({ id }) => id));
  const record = (lent: readonly WireLease[]) => lending.record(call, 'lease', lent.map(lentWords).join(', '));
  const after = (time: number, act: () => void): void => {
    cancel = clock.setTimer(act, Math.max(0, time - clock.now()));
  };
  const follow = async (): Promise<void> => {
    const old = leases;
    try {
      const next = await borrowed(lending, call, false);
      if (over.signal.aborted || endOf(next) <= endOf(old)) {
        giveBack(next);
        throw new Error('it would last no longer');
      }
      await record(next);
      leases = next;
      giveBack(old);
      after(endOf(next) - AHEAD, () => void follow());
    } catch {
      if (!over.signal.aborted) after(endOf(old), () => over.abort());
    }
  };
  try {
    await record(leases);
    after(endOf(leases) - AHEAD, () => void follow());
    const loan: Loan = {
      get leases() {
        return leases;
      },
      used: (use) => uses.add(use),
      prove: (wish) => lending.prove(wish),
    };
    await run(loan, over.signal);
  } finally {
    over.abort();
    cancel();
    giveBack(leases);
    await lending.record(call, 'revoke', uses.wordsFor(leases));
  }
}

function endOf(leases: readonly WireLease[]): number {
  return Math.min(...leases.map(({ until }) => until));
}
