import { connect, createServer, type Socket } from 'node:net';

/**
 * Spreads TCP connections over replicas, each to the next one that takes it: no affinity, and TLS is none of its business.
 * @param ports of the replicas, on loopback
 * @returns what closes it
 */
export async function front(port: number, ports: readonly number[]): Promise<() => Promise<void>> {
  const open = new Set<Socket>();
  let turn = 0;
  const reach = (tries: number): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(ports[turn++ % ports.length] ?? 0, '127.0.0.1');
      socket.once('connect', () => resolve(socket));
      socket.once('error', (error) => (tries > 1 ? resolve(reach(tries - 1)) : reject(error)));
    });
  const track = (socket: Socket, other: Socket): void => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      open.delete(socket);
      other.destroy();
    });
  };
  const server = createServer({ pauseOnConnect: true }, (client) => {
    reach(ports.length).then(
      (replica) => {
        track(client, replica);
        track(replica, client);
        client.pipe(replica).pipe(client);
      },
      () => client.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => {
    for (const socket of open) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
}
