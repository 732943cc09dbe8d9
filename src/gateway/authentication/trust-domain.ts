import type { SpiffeTrust } from '../../contract/bundle.ts';
import type { ClientCertificate } from '../../contract/client-certificate.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Subject } from '../../contract/tool-call.ts';
import { readKeySet } from './algorithms.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import { givenKeys, type KeySource } from './key-source.ts';
import type { SpiffeId } from './spiffe-id.ts';
import { type Svid, verifySvid } from './svid.ts';

/** The trust domain that the operator named, with the authorities that it has now. */
export interface TrustDomain {
  readonly name: string;
  readonly fingerprint: string;
  /** For JWT-SVIDs. */
  readonly keys: KeySource;
  /** Who has shown this certificate. @throws Refusal unauthenticated */
  workload(certificate: ClientCertificate, now: number): { readonly subject: Subject; readonly until: number };
  subjectOf(id: SpiffeId): Subject;
}

/** What its bundle says; where that has not changed, `before` itself. */
export function trustDomain(trust: SpiffeTrust | undefined, before: TrustDomain | undefined): TrustDomain | undefined {
  if (trust === undefined) return undefined;
  const fingerprint = JSON.stringify(trust);
  return before?.fingerprint === fingerprint ? before : made(trust, fingerprint);
}

function made({ trustDomain: name, tenants, x509, jwt }: SpiffeTrust, fingerprint: string): TrustDomain {
  const authorities: readonly Certificate[] = x509.map((pem) => readCertificate(derOf(pem)));
  /** A connection shows the same certificate with each of its requests. */
  const seen = new WeakMap<ClientCertificate, Svid>();
  const subjectOf = ({ path }: SpiffeId): Subject => {
    const id = `spiffe://${name}${path}`;
    const tenant = tenantOf(path, tenants);
    if (tenant === undefined) throw new Refusal('unauthenticated', `no tenant for ${id.slice(0, 256)}`);
    const none = { groups: Object.freeze([]), acr: undefined, authTime: undefined, tokenId: undefined };
    return Object.freeze({ id, kind: 'Workload', tenant, key: JSON.stringify(['spiffe', tenant, id]), ...none });
  };
  return {
    name,
    fingerprint,
    keys: givenKeys(readKeySet(jwt)),
    subjectOf,
    workload(certificate, now) {
      const known = seen.get(certificate);
      const isStillGood = known !== undefined && now >= known.from && now < known.until;
      const svid = isStillGood ? known : verifySvid(certificate, name, authorities, now);
      seen.set(certificate, svid);
      return { subject: subjectOf(svid.id), until: svid.until };
    },
  };
}

/** The tenant of the longest prefix of whole segments. */
function tenantOf(path: string, tenants: SpiffeTrust['tenants']): string | undefined {
  for (let prefix = path; prefix !== ''; prefix = prefix.slice(0, prefix.lastIndexOf('/')))
    if (Object.hasOwn(tenants, prefix)) return tenants[prefix];
  return tenants['/'];
}

function derOf(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
}
