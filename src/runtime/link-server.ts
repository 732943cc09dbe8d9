import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { EgressAttempt } from '../contract/egress.ts';
import { GatewayConnection } from './gateway-connection.ts';
import type { Upstream } from './upstream/upstream.ts';

interface LinkServer {
  /** Tells one gateway what a sandbox tried to reach outside of any call; one that connects later, where none is there. */
  witness(server: string, attempt: EgressAttempt): void;
  close(): Promise<void>;
}

/** Attempts that wait for a gateway to connect. */
const MAX_UNTOLD = 1000;

/**
 * Listens on the unix socket (mode 0600) for gateways. `close` ends every connection and cancels what runs for it.
 * @throws when the socket cannot be made
 */
export async function serveLink(
  path: string,
  upstreams: ReadonlyMap<string, Upstream>,
  log: (event: object) => void,
): Promise<LinkServer> {
  const connections = new Map<Socket, GatewayConnection>();
  const untold: [server: string, attempt: EgressAttempt][] = [];
  const server = createServer((socket) => {
    const connection = new GatewayConnection(socket, upstreams, log);
    connections.set(socket, connection);
    socket.on('close', () => connections.delete(socket));
    for (const [server, attempt] of untold.splice(0)) connection.witness(server, attempt);
  });
  // What a killed runtime left behind; the directory is the caller's alone.
  await rm(path, { force: true });
  await listen(server, path);
  await chmod(path, 0o600);
  return {
    witness: (server, attempt) => {
      const [any] = connections.values();
      if (any) any.witness(server, attempt);
      else if (untold.length < MAX_UNTOLD) untold.push([server, attempt]);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of connections.keys()) socket.destroy();
      }),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
