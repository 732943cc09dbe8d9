import { createSecureContext } from 'node:tls';
import { type Dispatcher, Pool } from 'undici';
import { classOf } from '../../../contract/addresses.ts';
import type { RemoteServer } from '../../../contract/bundle.ts';
import { forbidden } from '../../../contract/egress.ts';
import { judgedLookup, type Resolve } from '../../egress/dial.ts';

/** Connections for calls; what is beyond that waits in order. */
const CONNECTIONS = 64;
/** Connections for answers to the server's own requests, cancellations and ends of sessions. */
const SIDE_CONNECTIONS = 8;
/** Streams that are held open, over all subjects. */
export const MAX_STREAMS = 256;
/** Milliseconds for TCP and TLS together. */
const CONNECT_TIMEOUT = 5000;

/** Connections to a server, as those who speak to it see them. */
export type Connections = Pick<Dispatcher, 'dispatch' | 'destroy'>;

/** Three sets of connections to one server, so that a call that waits for an answer never keeps that answer away. */
export interface Target {
  readonly calls: Connections;
  readonly side: Connections;
  readonly streams: Connections;
  /** Path and query of the one MCP endpoint. */
  readonly path: string;
}

/**
 * The connections to a remote server: TLS 1.3 only, one cipher suite, no proxy, no redirect, no HTTP/2. A server's own
 * `ca` replaces the public authorities, so that none of those can stand in for it. Each connection looks its name up
 * and judges what it finds: public addresses, or the network that the operator names; the loopback where he wrote it.
 * @throws when the address is plain http and not loopback, carries credentials, or is one that must not be reached
 */
export function openTarget({ name, url, ca, network }: RemoteServer, resolve: Resolve): Target {
  const { protocol, hostname, origin, pathname, search, username, password } = new URL(url);
  if (username !== '' || password !== '') throw new Error(`${name}: credentials in the URL`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const loopback = host === 'localhost' || classOf(host) === 'loopback';
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback))
    throw new Error(`${name}: ${protocol}// is for loopback addresses only`);
  // A literal is never looked up.
  const kind = classOf(host) && !loopback ? forbidden(host, network, new Set()) : undefined;
  if (kind !== undefined) throw new Error(`${name}: ${host} is a ${kind} address; name its network`);
  const lookup = loopback ? undefined : judgedLookup(network, resolve);
  const connect = { timeout: CONNECT_TIMEOUT, ...(lookup && { lookup }), ...(protocol === 'https:' ? tls(ca) : {}) };
  // Deadlines are the call's own.
  const pool = (connections: number): Pool =>
    new Pool(origin, { connections, allowH2: false, headersTimeout: 0, bodyTimeout: 0, connect });
  return {
    calls: pool(CONNECTIONS),
    side: pool(SIDE_CONNECTIONS),
    streams: pool(MAX_STREAMS),
    path: pathname + search,
  };
}

export async function closeTarget({ calls, side, streams }: Target): Promise<void> {
  await Promise.all([calls.destroy(), side.destroy(), streams.destroy()]);
}

function tls(ca: string | undefined) {
  return {
    secureContext: createSecureContext({
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_256_GCM_SHA384',
      ecdhCurve: 'X25519MLKEM768:X25519',
      sigalgs: 'ecdsa_secp256r1_sha256:ed25519:rsa_pss_rsae_sha256',
      ...(ca === undefined ? {} : { ca }),
    }),
    rejectUnauthorized: true,
  };
}
