import { constants } from 'node:crypto';
import { createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import {
  CONTROL_ID,
  encodeMessage,
  type GatewayIdentity,
  LINK_NAME,
  LINK_SILENCE,
  LINK_TLS,
  type LinkAddress,
  MessageReader,
  onlyName,
} from '../../contract/control-link.ts';
import { MAX_ENVELOPE } from '../../contract/signed-bundle.ts';
import type { FromGateway, ToGateway } from '../../contract/zone-link.ts';

/** Bytes of one message of zone 0's: a bundle and what is around it. */
const MAX_MESSAGE = MAX_ENVELOPE + 1024 * 1024;
/** Bytes that wait for zone 0 to read them; more, and it is taken for dead. */
const MAX_WAITING = 32 * 1024 * 1024;
/** Strangers may hold so many connections, for so many milliseconds: until they should have shown who they are. */
const MAX_CONNECTIONS = 128;
const HANDSHAKE = 3000;

export interface ControlListener {
  /** @returns the port; 0 for a path. @throws the listener's own error */
  listen(at: LinkAddress): Promise<number>;
  /** @returns false when zone 0 is not there */
  send(message: FromGateway): boolean;
  /** From the next connection on. @throws Error when key and certificate do not belong together */
  renew(own: Pick<GatewayIdentity, 'key' | 'cert'>): void;
  close(): void;
}

export interface ControlEvents {
  up(): void;
  message(message: ToGateway): void;
  down(): void;
  /** Somebody was not let in, or the connection failed; for the log. */
  report(detail: string): void;
}

/**
 * Where zone 0 comes in, and nobody else: whoever has no certificate of the zones' authority with zone 0's one name does not
 * get through the handshake, or is cut off before a byte of his is read. The newest connection of zone 0's is the one.
 */
export function controlListener(identity: GatewayIdentity, events: ControlEvents): ControlListener {
  let context = contextOf(identity, identity.authority);
  let current: TLSSocket | undefined;
  const server = createServer(
    {
      ...LINK_TLS,
      ca: [identity.authority],
      requestCert: true,
      rejectUnauthorized: true,
      // Nothing resumes: each connection shows its certificate.
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout: HANDSHAKE,
      SNICallback: (name, done) => (name === LINK_NAME ? done(null, context) : done(new Error('unknown server name'))),
    },
    (socket) => {
      socket.on('error', (error) => events.report(error.message));
      const shown = socket.getPeerX509Certificate();
      if (!socket.authorized || shown?.subjectAltName !== onlyName(CONTROL_ID)) {
        events.report(`not zone 0: ${shown?.subjectAltName ?? 'no certificate'}`);
        socket.destroy();
        return;
      }
      const before = current;
      current = socket;
      before?.destroy();
      if (before !== undefined) events.down();
      events.up();
      serve(socket);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', (error, socket) => {
    events.report(`no handshake: ${error.message}`);
    // The library only tells; whoever has not shown a certificate in time would stay.
    socket.destroy();
  });

  function serve(socket: TLSSocket): void {
    const reader = new MessageReader(MAX_MESSAGE);
    socket.setTimeout(LINK_SILENCE, () => socket.destroy(new Error('zone 0 has gone silent')));
    socket.on('data', (chunk) => {
      try {
        for (const text of reader.push(chunk)) {
          const message: ToGateway = JSON.parse(text);
          if (socket === current) events.message(message);
        }
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.on('close', () => {
      if (socket !== current) return;
      current = undefined;
      events.down();
    });
  }

  return {
    listen: (at) => listen(server, at),
    send(message) {
      if (current === undefined || current.destroyed) return false;
      if (current.writableLength > MAX_WAITING) current.destroy(new Error('zone 0 does not read'));
      else current.write(encodeMessage(message));
      return !current.destroyed;
    },
    renew(own) {
      context = contextOf(own, identity.authority);
    },
    close() {
      server.close();
      current?.destroy();
    },
  };
}

function contextOf({ key, cert }: Pick<GatewayIdentity, 'key' | 'cert'>, authority: string): SecureContext {
  return createSecureContext({ ...LINK_TLS, key, cert, ca: [authority] });
}

function listen(server: Server, at: LinkAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}
