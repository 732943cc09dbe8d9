import { join } from 'node:path';
import type { Ready } from '../cli/up.ts';
import { startZone } from '../control-plane/zones/start-zone.ts';
import type { Control } from './control.ts';

/** Milliseconds for zone 0 to end the zones that it has started. */
const GRACE = 15_000;

type ToControl = { readonly kind: 'start'; readonly config: string; readonly state: string; readonly workers: number };
type FromControl =
  | { readonly kind: 'ready'; readonly ready: Ready }
  | { readonly kind: 'failed'; readonly message: string; readonly exit: number | undefined }
  | { readonly kind: 'ended'; readonly reason: string };

/** What zone 0 could not do, in its own words. */
class ControlFault extends Error {
  readonly exitCode: number | undefined;
  constructor(message: string, exitCode: number | undefined) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Starts zone 0, and by it the others, in a process of its own, which ends with this one.
 * @param workers gateways that share one port
 * @throws ControlFault with the exit code of what zone 0 met
 */
export async function startControlZone(
  config: string,
  state: string,
  workers: number,
  stopping: AbortSignal,
): Promise<Control> {
  const { promise, resolve, reject } = Promise.withResolvers<Ready>();
  let fail = (_: string): void => undefined;
  const failed = new Promise<string>((resolveFailed) => {
    fail = resolveFailed;
  });
  const main = join(import.meta.dirname, '../main.ts');
  const zone = startZone<ToControl, FromControl>({ name: 'control', main, ownMounts: false }, (message) => {
    if (message.kind === 'ready') resolve(message.ready);
    else if (message.kind === 'failed') reject(new ControlFault(message.message, message.exit));
    else fail(message.reason);
  });
  void zone.exited.then(() => {
    reject(new ControlFault('the control zone ended before it was ready', undefined));
    fail('the control zone ended');
  });
  const stop = () => zone.stop(GRACE);
  const aborted = (): void => void stop();
  stopping.addEventListener('abort', aborted, { once: true });
  zone.send({ kind: 'start', config, state, workers });
  try {
    return { ready: await promise, failed, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    stopping.removeEventListener('abort', aborted);
  }
}

/** Zone 0 as a process of its own. It ends with whoever has started it. */
export function controlZone(): void {
  const send = (message: FromControl): void => void (process.connected && process.send?.(message));
  const stopping = new AbortController();
  let running: Promise<Control> | undefined;
  process.once('message', ({ config, state, workers }: ToControl) => {
    // Not above: whoever starts a zone 0 needs nothing of it.
    running = import('./control.ts').then(({ startControl }) =>
      startControl(config, state, stopping.signal, { workers }),
    );
    running.then(
      ({ ready, failed }) => {
        send({ kind: 'ready', ready });
        void failed.then((reason) => send({ kind: 'ended', reason }));
      },
      (error: unknown) => {
        const exit =
          error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number'
            ? error.exitCode
            : undefined;
        const message = error instanceof Error && exit !== undefined ? error.message : String((error as Error).stack);
        send({ kind: 'failed', message, exit });
      },
    );
  });
  process.once('disconnect', () => {
    stopping.abort();
    const ended = running?.then((control) => control.stop());
    void (ended ?? Promise.resolve()).catch(() => undefined).finally(() => process.exit(0));
  });
}
