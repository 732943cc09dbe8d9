import { createHash, generateKeyPairSync, type KeyObject, type KeyPairKeyObjectResult, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { bundleToJSON } from '@sigstore/bundle';
import { fulcioHandler, initializeCA, initializeCTLog, initializeTLog, rekorHandler } from '@sigstore/mock';
import { DSSEBundleBuilder, FulcioSigner, RekorWitness, type Signer } from '@sigstore/sign';
import type { TrustedRoot } from '../../src/control-plane/packages/attestation.ts';

export interface Statement {
  readonly purl: string;
  readonly sha512: string;
  readonly predicateType?: string;
  readonly payloadType?: string;
}

/** Whom the certificate names, as a build service's token says. */
export interface Build {
  readonly iss?: string;
  readonly repository?: string;
  readonly sub?: string;
  /** No certificate: this key, by this name. */
  readonly key?: RegistryKeyPair;
}

export interface Sigstore {
  readonly root: TrustedRoot;
  /** A bundle as npm makes one: a statement, signed with a certificate for ten minutes, and logged. */
  attest(statement: Statement, build?: Build): Promise<Bundle>;
}

export interface RegistryKeyPair {
  readonly keyid: string;
  readonly privateKey: KeyObject;
  readonly pemkey: string;
}

export type Bundle = ReturnType<typeof bundleToJSON>;

export const PROVENANCE = 'https://slsa.dev/provenance/v1';

/** A working certificate authority, certificate log and transparency log of a Sigstore of its own, on loopback. */
export async function sigstore(t: TestContext, certifiedAt?: Date): Promise<Sigstore> {
  const keys = { ca: pair('P-384'), ct: pair('P-256'), log: pair('P-256') };
  const ctlog = await initializeCTLog(keys.ct);
  const ca = await initializeCA(keys.ca, ctlog, certifiedAt);
  const tlog = await initializeTLog('http://127.0.0.1', keys.log);
  const handlers = [fulcioHandler(ca), rekorHandler(tlog)];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const handler = handlers.find(({ path }) => path === request.url);
      const answer = await handler?.fn(Buffer.concat(chunks).toString());
      response
        .writeHead(answer?.statusCode ?? 404, { 'content-type': answer?.contentType ?? 'text/plain' })
        .end(answer?.response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const root = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    certificateAuthorities: [
      {
        subject: { commonName: 'sigstore', organization: 'test' },
        uri: base,
        certChain: { certificates: [{ rawBytes: ca.rootCertificate }] },
        validFor: { start: new Date(0) },
        operator: '',
      },
    ],
    ctlogs: [log(base, ctlog.publicKey)],
    tlogs: [log(base, tlog.publicKey)],
    timestampAuthorities: [],
  } as unknown as TrustedRoot;
  return {
    root,
    async attest(
      { purl, sha512, predicateType = PROVENANCE, payloadType = 'application/vnd.in-toto+json' },
      build = {},
    ) {
      const { key, ...claims } = build;
      const token = [
        { alg: 'none' },
        {
          sub: 'https://github.com/acme/inventory/.github/workflows/release.yml@refs/tags/v1',
          iss: 'https://token.actions.githubusercontent.com',
          repository: 'acme/inventory',
          ...claims,
        },
      ]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.');
      const identityProvider = { getToken: async () => `${token}.` };
      const signer = key === undefined ? new FulcioSigner({ fulcioBaseURL: base, identityProvider }) : keyed(key);
      const witness = new RekorWitness({ rekorBaseURL: base, entryType: 'intoto' });
      const statement = {
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: purl, digest: { sha512 } }],
        predicateType,
        predicate: {},
      };
      const builder = new DSSEBundleBuilder({ signer, witnesses: [witness] });
      return bundleToJSON(await builder.create({ data: Buffer.from(JSON.stringify(statement)), type: payloadType }));
    },
  };
}

export function registryKey(keyid: string): RegistryKeyPair {
  const { privateKey, publicKey } = pair('P-256');
  return { keyid, privateKey, pemkey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}

function keyed({ keyid, privateKey, pemkey }: RegistryKeyPair): Signer {
  return {
    sign: async (data) => ({
      signature: sign('sha256', data, privateKey),
      key: { $case: 'publicKey', publicKey: pemkey, hint: keyid },
    }),
  };
}

function pair(namedCurve: string): KeyPairKeyObjectResult {
  return generateKeyPairSync('ec', { namedCurve });
}

function log(baseUrl: string, publicKey: Buffer): object {
  return {
    baseUrl,
    hashAlgorithm: 1,
    logId: { keyId: createHash('sha256').update(publicKey).digest() },
    publicKey: { rawBytes: publicKey, keyDetails: 5, validFor: { start: new Date(0) } },
    operator: '',
  };
}
