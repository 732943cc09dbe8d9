import { createPrivateKey, createPublicKey, hash, type KeyObject, sign } from 'node:crypto';
import type { GatewayBundle } from '../../contract/bundle.ts';
import { canonicalJson } from '../../contract/canonical-json.ts';
import { type BundleId, signedBytes, writeEnvelope } from '../../contract/signed-bundle.ts';

export interface SignedBundle extends BundleId {
  readonly envelope: string;
}

/** Signs what gateways are to serve by. */
export interface BundleSigner {
  /** @param previous digest of the version before it; null: there was none */
  sign(bundle: GatewayBundle, previous: string | null): SignedBundle;
}

/** @param privatePem zone 0's Ed25519 key */
export function bundleSigner(privatePem: string): BundleSigner {
  const key = createPrivateKey(privatePem);
  const keyId = keyIdOf(createPublicKey(key));
  return {
    sign(bundle, previous) {
      const payload = Buffer.from(canonicalJson(JSON.stringify({ previous, bundle })));
      const signature = sign(null, signedBytes(payload), key).toString('base64');
      const envelope = writeEnvelope({ payload: payload.toString('base64'), keyId, signature });
      return { version: bundle.version, digest: hash('sha256', payload, 'base64url'), envelope };
    },
  };
}

function keyIdOf(key: KeyObject): string {
  return hash('sha256', key.export({ format: 'der', type: 'spki' }), 'base64url');
}
