import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Where the gateway listens, so that the shim can have the same port on 127.0.0.1 and `Host` stays right. */
export const GATEWAY_ADDRESS = '127.0.0.2';

/**
 * The suite knows no tokens and no TLS: this takes plain HTTP on loopback, adds `Authorization`, and passes everything
 * else through as it came, `Host` and `Origin` included. What either side ends, ends on the other side too.
 */
export class Shim {
  readonly port: number;
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  #target: { readonly ca: string; readonly tokens: ReadonlyMap<string, string> } | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('request', (incoming, outgoing) => this.#relay(incoming, outgoing));
  }

  /** Listens before there is a gateway, which then takes the same port. */
  static listen(): Promise<Shim> {
    const server = createServer({ requestTimeout: 0 });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(new Shim(server)));
    });
  }

  /**
   * @param ca PEM of the gateway's certificate authority
   * @param tokens by path
   */
  open(ca: string, tokens: ReadonlyMap<string, string>): void {
    this.#target = { ca, tokens };
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  #relay(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (this.#target === undefined) return void outgoing.writeHead(503).end();
    const { ca, tokens } = this.#target;
    const upstream = request(
      {
        host: GATEWAY_ADDRESS,
        port: this.port,
        servername: 'localhost',
        ca,
        agent: this.#agent,
        method: incoming.method,
        path: incoming.url,
        headers: [...incoming.rawHeaders, 'Authorization', `Bearer ${tokens.get(incoming.url ?? '')}`],
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        outgoing.flushHeaders();
        answer.pipe(outgoing);
        answer.on('error', () => outgoing.destroy());
      },
    );
    upstream.on('error', () => outgoing.destroy());
    outgoing.on('close', () => upstream.destroy());
    incoming.pipe(upstream);
  }
}
