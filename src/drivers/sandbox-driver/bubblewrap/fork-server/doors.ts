import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstLine } from '../../host/gated-process.ts';

/** One connection of a child, and what stood behind its name. */
export interface Guest {
  readonly socket: Socket;
  readonly rest: string;
}

/** The connections that one child is to make. */
export interface Expected {
  readonly id: string;
  knock(stream: string): Promise<Guest>;
  /** Whoever still comes is turned away. */
  close(): void;
}

/** The unix socket on which the children of all nurseries bring their streams: node cannot hand descriptors over. */
export interface Doors {
  /** Host path of the directory that the socket is in. */
  readonly directory: string;
  expect(streams: readonly string[]): Expected;
}

export const socketName = 'door';

/** @param uid whom it is for, where that is not us; nobody else of the machine may connect */
export async function openDoors(uid: number | undefined): Promise<Doors> {
  const directory = mkdtempSync(join(tmpdir(), 'innerkeep-doors-'));
  const path = join(directory, socketName);
  const waiting = new Map<string, (guest: Guest) => void>();
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.on('error', () => {});
    const [id = '', stream = '', rest = ''] = (await firstLine(socket)).trim().split(' ');
    const welcome = waiting.get(`${id} ${stream}`);
    waiting.delete(`${id} ${stream}`);
    if (welcome === undefined) socket.destroy();
    else welcome({ socket, rest });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  server.unref();
  chmodSync(path, 0o600);
  if (uid !== undefined) for (const owned of [directory, path]) chownSync(owned, uid, uid);
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return {
    directory,
    expect: (streams) => {
      // What no other sandbox can guess: a child is told it by its own nursery.
      const id = randomBytes(16).toString('hex');
      const guests = new Map(
        streams.map((stream) => [stream, new Promise<Guest>((resolve) => waiting.set(`${id} ${stream}`, resolve))]),
      );
      return {
        id,
        knock: (stream) => guests.get(stream) ?? Promise.reject(new Error(`no stream ${stream}`)),
        close: () => {
          for (const stream of streams) waiting.delete(`${id} ${stream}`);
        },
      };
    },
  };
}
