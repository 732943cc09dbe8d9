import type { Duplex } from 'node:stream';
import type { Client } from './asked.ts';
import type { EgressDenied } from './denied.ts';

/** Milliseconds without a byte in either direction. */
const IDLE = 120_000;

/**
 * Carries bytes both ways until both sides are through, those first that were read of the client and not taken; each end
 * of one side is told to the other, which may go on.
 * @param spend is told of each chunk before it goes on; throws EgressDenied when there were too many
 * @returns resolves when both are closed; rejects with what `spend` threw
 */
export function carry({ stream: client, reader }: Client, host: Duplex, spend: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let over: EgressDenied | undefined;
    let open = 2;
    const cut = () => {
      client.destroy();
      host.destroy();
    };
    const idle = setTimeout(cut, IDLE);
    const pass = (chunk: Buffer, to: Duplex): boolean => {
      try {
        spend(chunk.length);
      } catch (error) {
        over ??= error as EgressDenied;
        cut();
        return true;
      }
      idle.refresh();
      return to.write(chunk);
    };
    const closed = () => {
      if (--open > 0) return;
      clearTimeout(idle);
      if (over) reject(over);
      else resolve();
    };
    const onto = (from: Duplex, to: Duplex, first: Buffer) => {
      if (first.length > 0) pass(first, to);
      if (from.readableEnded) to.end();
      else from.on('end', () => to.end());
      from.on('data', (chunk: Buffer) => {
        if (pass(chunk, to)) return;
        from.pause();
        to.once('drain', () => from.resume());
      });
      from.on('error', cut);
      if (from.closed) return closed();
      from.on('close', () => {
        if (!from.readableEnded) cut();
        closed();
      });
    };
    onto(client, host, reader.take(reader.bytes.length));
    onto(host, client, Buffer.alloc(0));
    if (client.destroyed || host.destroyed) cut();
  });
}
