import { createSecureContext, type SecureContext, type TlsOptions } from 'node:tls';

export interface ServerIdentity {
  /** Names that a client may ask for by SNI (RFC 6066 §3). */
  readonly serverNames: readonly string[];
  /** PEM, ECDSA P-256 or Ed25519. */
  readonly cert: string;
  readonly key: string;
}

const SUITE = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519MLKEM768:X25519',
  sigalgs: 'ecdsa_secp256r1_sha256:ed25519',
} as const;

/** @throws Error when key and certificate do not belong together */
export function secureContext({ cert, key }: Pick<ServerIdentity, 'cert' | 'key'>): SecureContext {
  return createSecureContext({ ...SUITE, cert, key });
}

/**
 * TLS 1.3 alone (RFC 8446) with one suite and a hybrid key exchange. The server itself holds no certificate: only the
 * callback has one, so a connection without SNI, or with a name that is not ours, does not get through its handshake.
 * @param context asked at each handshake: a new certificate needs no new listener
 * @param handshakeTimeout milliseconds
 */
export function tlsOptions(
  serverNames: readonly string[],
  context: () => SecureContext,
  handshakeTimeout: number,
): TlsOptions {
  const names = new Set(serverNames.map((name) => name.toLowerCase()));
  return {
    ...SUITE,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout,
    SNICallback: (name, done) => {
      if (names.has(name.toLowerCase())) done(null, context());
      else done(new Error('unknown server name'));
    },
  };
}
