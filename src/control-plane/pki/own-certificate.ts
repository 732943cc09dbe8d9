import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

interface Wrong {
  readonly half: 'cert' | 'key';
  readonly message: string;
  readonly mend: string;
}

/**
 * What keeps an operator's certificate and key (PEM) from serving these names now; undefined: nothing does.
 * Clients would refuse each of these, one by one and far away from whoever can mend it (RFC 9525, RFC 5280 §4.1.2.5).
 * @param now milliseconds since the epoch
 */
export function unusableCertificate(
  pem: { readonly cert: string; readonly key: string },
  names: readonly string[],
  now: number,
): Wrong | undefined {
  let certificate: X509Certificate;
  let key: KeyObject;
  try {
    certificate = new X509Certificate(pem.cert);
  } catch {
    return { half: 'cert', message: 'not a certificate in PEM', mend: 'name the leaf certificate' };
  }
  try {
    key = createPrivateKey(pem.key);
  } catch {
    return { half: 'key', message: 'not a private key in PEM', mend: 'name its key, without a passphrase' };
  }
  if (!certificate.checkPrivateKey(key))
    return { half: 'key', message: 'not the key of edge.tls.cert', mend: 'name the two that were made together' };
  const wrong = (message: string, mend: string): Wrong => ({ half: 'cert', message, mend });
  if (now >= certificate.validToDate.getTime()) return wrong(`expired on ${certificate.validTo}`, 'renew it');
  if (now < certificate.validFromDate.getTime())
    return wrong(`not valid before ${certificate.validFrom}`, "look at this machine's clock");
  const uncovered = names.filter((name) => certificate.checkHost(name, { subject: 'never' }) === undefined);
  if (uncovered.length === 0) return undefined;
  return wrong(
    `not for ${uncovered.join(', ')} (its names: ${certificate.subjectAltName ?? 'none'})`,
    'name a certificate that is, or other edge.server_names',
  );
}
