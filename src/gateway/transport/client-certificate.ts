import { hash, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../../contract/client-certificate.ts';

/** More than any path has; what a client sends beyond is not looked at, and its path then not found. */
const MAX_CHAIN = 10;

type Shown = Omit<ClientCertificate, 'untrusted'>;

/** What the clients of the open connections have shown. */
const shown = new WeakMap<Socket, Shown>();
/** The same with the TLS library's verdict: one object for all requests of a connection. */
const known = new WeakMap<Socket, ClientCertificate>();

/**
 * Keeps what a client shows once its handshake is done. Node 24 reads the certificate itself before it tells of the
 * connection, and with that the chain behind it is gone; so this comes first.
 * @param socket whose handshake has begun
 */
export function keepCertificate(socket: unknown): void {
  if (!(socket instanceof TLSSocket)) return;
  socket.prependOnceListener('secure', () => {
    const leaf = socket.getPeerX509Certificate();
    if (leaf === undefined) return;
    const chain: Uint8Array[] = [];
    for (let one: X509Certificate | undefined = leaf; one && chain.length < MAX_CHAIN; one = one.issuerCertificate)
      chain.push(one.raw);
    const thumbprint = hash('sha256', leaf.raw, 'base64url');
    shown.set(socket, { thumbprint, chain, notAfter: leaf.validToDate.getTime() });
  });
}

/** The certificate that the client of this connection has shown, and proven to hold the key of, in the handshake. */
export function clientCertificate(socket: Socket): ClientCertificate | undefined {
  const found = known.get(socket);
  if (found !== undefined) return found;
  const kept = shown.get(socket);
  if (kept === undefined || !(socket instanceof TLSSocket)) return undefined;
  const certificate = { ...kept, untrusted: socket.authorized ? undefined : String(socket.authorizationError) };
  known.set(socket, certificate);
  return certificate;
}
