import type { Duplex } from 'node:stream';
import type { EgressAttempt } from '../../contract/egress.ts';
import type { ByteReader } from './byte-reader.ts';

/** What a client asks for, in its own protocol; not judged. */
export interface Asked {
  readonly via: EgressAttempt['via'];
  readonly host: string;
  /** In the client's spelling. */
  readonly port: string;
  /** Plain HTTP in absolute form: there is no tunnel, so only a rule without TLS can serve it. */
  readonly plainOnly?: true;
  /** Tells the client that bytes flow from here on. */
  accept(): void;
  /** Ends the connection with the protocol's own bare no. */
  refuse(): void;
}

/** The client's side of a connection. */
export interface Client {
  readonly stream: Duplex;
  readonly reader: ByteReader;
}

/** What the client says is no request of a protocol that is served. */
export class Malformed extends Error {
  readonly via: EgressAttempt['via'];

  constructor(via: EgressAttempt['via'], detail: string) {
    super(detail);
    this.via = via;
  }
}

/** HOST:PORT; what has no port has an empty one. */
export function authority(text: string): { readonly host: string; readonly port: string } {
  const colon = text.lastIndexOf(':');
  return colon < 0 ? { host: text, port: '' } : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}
