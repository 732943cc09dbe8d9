import { once } from 'node:events';
import { createServer } from 'node:net';

/** Ports that no kernel gives to whoever asks for any (RFC 6335 §6 begins at 49,152, Linux at 32,768). */
const [FIRST, END] = [10_240, 32_768];
let next = FIRST + Math.floor(Math.random() * (END - FIRST));

/**
 * A port of loopback for a server that cannot be told to take any: free now, never given twice by this process, and no
 * connection or listener of another test gets it by chance before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next;
    next = port + 1 < END ? port + 1 : FIRST;
    const server = createServer().listen(port, '127.0.0.1');
    // `once` rejects where the port is taken.
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
