import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import type { UpstreamListening } from '../../contract/upstream.ts';

/**
 * Has a server tell of changes: resolves when `signal` is aborted.
 * @param call in whose name
 * @throws Refusal when it does not, or does no more
 */
export type Listen = (server: string, listening: UpstreamListening, call: Admitted) => Promise<void>;

/** Milliseconds in which a server must have accepted what is subscribed to. */
const ACCEPTANCE = 30_000;

export interface Run {
  readonly uris: ReadonlySet<string>;
  /** Settled when it has ended, stopped or not. */
  readonly over: Promise<void>;
  stop(): void;
}

export interface RunDeps {
  readonly listen: Listen;
  readonly clock: Clock;
  readonly server: string;
  readonly subject: string;
  readonly call: Admitted;
  readonly notify: (run: Run, message: string) => void;
}

/**
 * Begins to listen; the run is there once the server has accepted every URI.
 * @param signal aborted when nobody waits for that any more
 * @throws Refusal
 */
export async function startRun(deps: RunDeps, uris: ReadonlySet<string>, signal: AbortSignal): Promise<Run> {
  const { listen, clock, server, subject, call } = deps;
  const abort = new AbortController();
  const accepted = Promise.withResolvers<void>();
  const giveUp = (refusal: Refusal): void => accepted.reject(refusal);
  const onAbort = (): void => giveUp(new Refusal('unavailable', 'the caller has gone'));
  const late = (): void => giveUp(new Refusal('upstream', `${server}: not accepted within ${ACCEPTANCE} ms`));
  const cancel = clock.setTimer(late, ACCEPTANCE);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();

  const ended = Promise.withResolvers<void>();
  const run: Run = { uris, over: ended.promise, stop: () => abort.abort() };
  const listening: UpstreamListening = {
    uris: [...uris],
    subject,
    signal: abort.signal,
    ready: accepted.resolve,
    notify: (message) => deps.notify(run, message),
  };
  const over = signal.aborted ? Promise.resolve() : listen(server, listening, call);
  over.then(() => giveUp(new Refusal('upstream', `${server}: it does not listen`)), giveUp).then(ended.resolve);
  try {
    await accepted.promise;
    return run;
  } catch (error) {
    run.stop();
    throw error;
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}
