import type { Duplex } from 'node:stream';
import type { EgressDenied } from './denied.ts';

/** Milliseconds without a byte in either direction. */
const IDLE = 120_000;

/**
 * Carries bytes both ways until both sides are through; each end of one side is told to the other, which may go on.
 * @param spend is told of each chunk before it goes on; throws EgressDenied when there were too many
 * @returns resolves when both are closed; rejects with what `spend` threw
 */
export function carry(client: Duplex, host: Duplex, spend: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let over: EgressDenied | undefined;
    let open = 2;
    const cut = () => {
      client.destroy();
      host.destroy();
    };
    const idle = setTimeout(cut, IDLE);
    const onto = (from: Duplex, to: Duplex) => {
      from.on('data', (chunk: Buffer) => {
        try {
          spend(chunk.length);
        } catch (error) {
          over ??= error as EgressDenied;
          return cut();
        }
        idle.refresh();
        if (to.write(chunk)) return;
        from.pause();
        to.once('drain', () => from.resume());
      });
      from.on('end', () => to.end());
      from.on('error', cut);
      from.on('close', () => {
        if (!from.readableEnded) cut();
        if (--open > 0) return;
        clearTimeout(idle);
        if (over) reject(over);
        else resolve();
      });
      if (from.destroyed) cut();
    };
    onto(client, host);
    onto(host, client);
  });
}
