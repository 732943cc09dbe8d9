import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** A TCP proxy in front of a Redis, on which everything can go wrong that does on a network. */
export class FaultyWay {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #stuck = new Set<Socket>();
  #held: (() => void)[] = [];
  /** Where new connections lead. */
  target: number;
  /** Milliseconds for an answer on its way. */
  delay = 0;
  /** What is made of an answer; undefined: the connection is cut instead of it. */
  answer: (bytes: Buffer) => Buffer | undefined = (bytes) => bytes;

  static async to(t: TestContext, port: number): Promise<FaultyWay> {
    const way = new FaultyWay(port);
    way.#server.listen(0, '127.0.0.1');
    await once(way.#server, 'listening');
    t.after(() => way.close());
    return way;
  }

  constructor(port: number) {
    this.target = port;
    this.#server = createServer((client) => this.#carry(client));
  }

  get url(): string {
    const address = this.#server.address();
    return `redis://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Commands of those who are here do not arrive any more, and are not lost either. */
  hold(): void {
    for (const [client] of this.#pairs) this.#stuck.add(client);
  }

  /** They arrive, also those of whoever has hung up. */
  release(): void {
    this.#stuck.clear();
    for (const deliver of this.#held) deliver();
    this.#held = [];
  }

  /** Hangs up on the clients alone. */
  hangUp(): void {
    for (const [client] of this.#pairs) client.destroy();
  }

  close(): void {
    this.#server.close();
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  #carry(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const socket of pair) socket.on('error', () => undefined);
    client.on('data', (bytes) => {
      if (this.#stuck.has(client)) this.#held.push(() => server.write(bytes));
      else server.write(bytes);
    });
    server.on('data', (bytes) => {
      const answer = this.answer(bytes);
      if (answer === undefined) client.destroy();
      else if (this.delay === 0) client.write(answer);
      else setTimeout(() => client.destroyed || client.write(answer), this.delay);
    });
    client.on('close', () => {
      if (!this.#stuck.has(client)) server.destroy();
    });
    server.on('close', () => {
      client.destroy();
      this.#pairs.delete(pair);
    });
  }
}
