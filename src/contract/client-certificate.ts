/** The certificate that a client has shown in its TLS connection; that it holds the key is proven, and nothing else. */
export interface ClientCertificate {
  /** SHA-256 of the certificate, base64url (RFC 8705 §3.1). */
  readonly thumbprint: string;
  /** DER, the client's own first, then what it sent with it. */
  readonly chain: readonly Uint8Array[];
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Why the TLS library found no path from it to an authority that the edge trusts; undefined: it found one. */
  readonly untrusted: string | undefined;
}
