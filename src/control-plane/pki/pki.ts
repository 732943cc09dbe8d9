import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CONTROL_ID, gatewayId } from '../../contract/control-link.ts';
import { authorityCertificate, type Leaf, leafCertificate, zoneCertificate } from './certificates.ts';
import { privateDirectory, readSecret, StateError, stateDirectory, writeNew } from './state-files.ts';

export interface Pki {
  readonly caPem: string;
  readonly caFile: string;
  /** A fresh key and certificate for these DNS names and IP addresses; not written anywhere. */
  leaf(names: readonly string[]): Promise<Leaf>;
  /** The authority of zone 0 and its gateways, which no client knows. */
  readonly zones: {
    readonly caPem: string;
    control(): Promise<Leaf>;
    gateway(name: string): Promise<Leaf>;
  };
  /** Signs the audit log of the gateway that runs here. */
  readonly auditKey: SigningKey;
  /** Signs the audit log of another one: each has its own, so that none can write in another's name. */
  auditKeyOf(gateway: string): SigningKey;
  /** Signs what gateways serve by. */
  readonly bundleKey: SigningKey;
}

/** Ed25519. */
interface SigningKey {
  readonly privatePem: string;
  readonly publicPem: string;
  readonly publicFile: string;
}

/**
 * Opens the embedded authority in `stateDir/pki`, or makes what is missing; what exists is never overwritten.
 * @throws StateError when files contradict each other, are open to other users, or the authority has expired
 */
export async function openPki(stateDir: string, now: () => number): Promise<Pki> {
  stateDirectory(stateDir);
  const directory = privateDirectory(join(stateDir, 'pki'));
  const { file: caFile, pem: caPem, key: caKey } = await authority(directory, 'ca', now());
  const zones = await authority(directory, 'zones', now());
  return {
    caPem,
    caFile,
    leaf: (names) => leafCertificate(caKey, names, now()),
    zones: {
      caPem: zones.pem,
      control: () => zoneCertificate(zones.key, CONTROL_ID, 'dials', now()),
      gateway: (name) => zoneCertificate(zones.key, gatewayId(name), 'listens', now()),
    },
    auditKey: signingKey(directory, 'audit'),
    auditKeyOf: (gateway) => signingKey(directory, `audit-${gateway}`),
    bundleKey: signingKey(directory, 'bundle'),
  };
}

async function authority(directory: string, name: string, now: number) {
  const [file, keyFile] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  if (existsSync(file) && !existsSync(keyFile)) throw new StateError(`${keyFile} is missing, but ${file} is there`);
  const key = keyIn(keyFile, 'ec');
  if (!existsSync(file)) writeNew(file, await authorityCertificate(key, now), 0o644);
  const pem = readFileSync(file, 'utf8');
  checkAuthority(file, pem, key, now);
  return { file, pem, key };
}

function signingKey(directory: string, name: string): SigningKey {
  const publicFile = join(directory, `${name}.pub.pem`);
  const key = keyIn(join(directory, `${name}.key`), 'ed25519');
  const publicPem = String(createPublicKey(key).export({ format: 'pem', type: 'spki' }));
  if (!existsSync(publicFile)) writeNew(publicFile, publicPem, 0o644);
  if (readFileSync(publicFile, 'utf8') !== publicPem)
    throw new StateError(`${publicFile} is not the half of ${name}.key`);
  return { privatePem: String(key.export({ format: 'pem', type: 'pkcs8' })), publicPem, publicFile };
}

function keyIn(file: string, type: 'ec' | 'ed25519'): KeyObject {
  const text = readSecret(file);
  if (text === undefined) {
    const pair = type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
    writeNew(file, String(pair.privateKey.export({ format: 'pem', type: 'pkcs8' })));
    return pair.privateKey;
  }
  const key = parseKey(file, text);
  if (key.asymmetricKeyType !== type) throw new StateError(`${file} is not of type ${type}`);
  return key;
}

function parseKey(file: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    throw new StateError(`${file} is not a private key in PEM`);
  }
}

function checkAuthority(file: string, pem: string, key: KeyObject, now: number): void {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw new StateError(`${file} is not a certificate in PEM`);
  }
  if (!certificate.ca || !certificate.checkPrivateKey(key))
    throw new StateError(`${file} does not belong to ${basename(file, '.pem')}.key`);
  if (now >= certificate.validToDate.getTime()) throw new StateError(`${file} has expired; move the directory away`);
}
