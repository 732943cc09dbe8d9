import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type TlsOptions } from 'node:tls';
import { keepCertificate } from './client-certificate.ts';

export interface ServerIdentity {
  /** Names that a client may ask for by SNI (RFC 6066 §3). */
  readonly serverNames: readonly string[];
  /** PEM, ECDSA P-256 or Ed25519. */
  readonly cert: string;
  readonly key: string;
  /** PEM of the authorities of clients' certificates. Undefined: clients are not asked for one. */
  readonly clientAuthorities?: readonly string[] | undefined;
}

const SUITE = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519MLKEM768:X25519',
  sigalgs: 'ecdsa_secp256r1_sha256:ed25519',
  // Nothing resumes. OpenSSL does not ask for the name again when a ticket comes without one, and a connection that goes
  // on where another was would show a client's certificate that nobody has looked at since.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;

/** @throws Error when key and certificate do not belong together */
export function secureContext({
  cert,
  key,
  clientAuthorities = [],
}: Omit<ServerIdentity, 'serverNames'>): SecureContext {
  // Without a list of ours the library would trust the public authorities, and anyone can have a certificate of those.
  return createSecureContext({ ...SUITE, cert, key, ca: [...clientAuthorities] });
}

/**
 * TLS 1.3 alone (RFC 8446) with one suite and a hybrid key exchange. The server itself holds no certificate: only the
 * callback has one, so a connection without SNI, or with a name that is not ours, does not get through its handshake.
 * A client's certificate is asked for where there is somebody who may have one, and judged by whoever authenticates: what
 * is wrong with it is then told like everything else.
 * @param context asked at each handshake: a new certificate needs no new listener
 * @param handshakeTimeout milliseconds
 */
export function tlsOptions(
  { serverNames, clientAuthorities }: Pick<ServerIdentity, 'serverNames' | 'clientAuthorities'>,
  context: () => SecureContext,
  handshakeTimeout: number,
): TlsOptions {
  const names = new Set(serverNames.map((name) => name.toLowerCase()));
  return {
    ...SUITE,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout,
    requestCert: clientAuthorities !== undefined,
    rejectUnauthorized: false,
    SNICallback(this: unknown, name, done) {
      // Node calls it as a method of the connection's socket; were it not so, nobody would have a certificate.
      if (clientAuthorities !== undefined) keepCertificate(this);
      if (names.has(name.toLowerCase())) done(null, context());
      else done(new Error('unknown server name'));
    },
  };
}
