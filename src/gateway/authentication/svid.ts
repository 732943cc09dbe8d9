import type { ClientCertificate } from '../../contract/client-certificate.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import { parseSpiffeId, type SpiffeId, workloadId } from './spiffe-id.ts';

/** Milliseconds that an SVID may live from end to end: a day, and what issuers date back for clocks that differ. */
export const MAX_LIFE = 25 * 60 * 60 * 1000;
/** The leaf, and the intermediates that a client sends with it. */
const MAX_CHAIN = 5;
/** RFC 5280 §4.2.1.12. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** A workload's certificate that was found good. */
export interface Svid {
  readonly id: SpiffeId;
  /** Milliseconds since the epoch between which every certificate of its path is valid. */
  readonly from: number;
  readonly until: number;
}

/**
 * Verifies an X.509-SVID (X509-SVID §5): what the leaf says, then its path to an authority of the trust domain. The TLS
 * library has looked for a path too, to any authority of the edge, and must have found one.
 * @param now milliseconds since the epoch
 * @throws Refusal unauthenticated
 */
export function verifySvid(
  { chain, untrusted }: ClientCertificate,
  trustDomain: string,
  authorities: readonly Certificate[],
  now: number,
): Svid {
  if (chain.length > MAX_CHAIN) throw refuse(`more than ${MAX_CHAIN} certificates`);
  const [leaf, ...intermediates] = chain.map(read);
  if (leaf === undefined) throw refuse('no certificate');
  const id = checkLeaf(leaf, trustDomain);
  const path = pathOf(leaf, intermediates, trustDomain, authorities);
  for (const certificate of path) checkTime(certificate, certificate === leaf ? 'certificate' : 'authority', now);
  if (untrusted !== undefined) throw refuse(`no trusted path: ${untrusted}`);
  return {
    id,
    from: Math.max(...path.map(({ notBefore }) => notBefore)),
    until: Math.min(...path.map(({ notAfter }) => notAfter)),
  };
}

function checkLeaf({ uris, usage, x509, notBefore, notAfter }: Certificate, trustDomain: string): SpiffeId {
  const [uri, ...others] = uris;
  if (uri === undefined) throw refuse('no URI among its alternative names');
  if (others.length > 0) throw refuse(`${uris.length} URIs among its alternative names (X509-SVID §2)`);
  const id = workloadId(uri, trustDomain);
  if (x509.ca) throw refuse('an authority, not a leaf (X509-SVID §4.1)');
  if (usage === undefined || !usage.digitalSignature) throw refuse('key usage without digitalSignature');
  if (usage.signs) throw refuse('key usage of an authority (X509-SVID §4.3)');
  // Node calls the extended key usage so.
  const extended: readonly string[] | undefined = x509.keyUsage;
  if (extended !== undefined && !extended.includes(CLIENT_AUTH)) throw refuse('extended key usage without clientAuth');
  if (notAfter - notBefore > MAX_LIFE) throw refuse('lives for more than a day');
  return id;
}

/** The leaf, the intermediates as they were sent, and the authority of the bundle that signed the last of them. */
function pathOf(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  trustDomain: string,
  authorities: readonly Certificate[],
): readonly Certificate[] {
  const path = [leaf];
  let last = leaf;
  for (const next of intermediates) {
    if (anchorOf(last, authorities) !== undefined) break;
    if (!isSignedBy(last, next)) throw refuse('not signed by the certificate that was sent behind it');
    if (!next.x509.ca || next.usage?.signs !== true) throw refuse('signed by what is no authority');
    for (const uri of next.uris)
      if (parseSpiffeId(uri).trustDomain !== trustDomain)
        throw refuse('signed by an authority of another trust domain');
    path.push(next);
    last = next;
  }
  const anchor = anchorOf(last, authorities);
  if (anchor === undefined) throw refuse("no authority of the trust domain's bundle signed it");
  return [...path, anchor];
}

function anchorOf(certificate: Certificate, authorities: readonly Certificate[]): Certificate | undefined {
  return authorities.find((authority) => isSignedBy(certificate, authority));
}

function isSignedBy({ x509 }: Certificate, issuer: Certificate): boolean {
  return x509.checkIssued(issuer.x509) && x509.verify(issuer.x509.publicKey);
}

function checkTime({ notBefore, notAfter }: Certificate, what: string, now: number): void {
  if (now < notBefore) throw refuse(`${what} not valid yet`);
  if (now >= notAfter) throw refuse(`${what} has expired`);
}

function read(der: Uint8Array): Certificate {
  try {
    return readCertificate(der);
  } catch (error) {
    throw refuse(`unreadable: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function refuse(detail: string): Refusal {
  return new Refusal('unauthenticated', `SVID: ${detail}`);
}
