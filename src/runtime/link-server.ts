import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { GatewayConnection } from './gateway-connection.ts';
import type { Upstream } from './upstream/upstream.ts';

/**
 * Listens on the unix socket (mode 0600) for gateways. `close` ends every connection and cancels what runs for it.
 * @throws when the socket cannot be made
 */
export async function serveLink(
  path: string,
  upstreams: ReadonlyMap<string, Upstream>,
  log: (event: object) => void,
): Promise<{ close(): Promise<void> }> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    new GatewayConnection(socket, upstreams, log);
  });
  // What a killed runtime left behind; the directory is the caller's alone.
  await rm(path, { force: true });
  await listen(server, path);
  await chmod(path, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
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
