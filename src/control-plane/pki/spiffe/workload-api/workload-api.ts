import { setTimeout as wait } from 'node:timers/promises';
import { elements } from '../../../../contract/der.ts';
import { authorityFromDer, parseJwtAuthorities, type TrustBundle, TrustBundleError } from '../trust-bundle.ts';
import { LatestBundle, type TrustSource, type TrustWatcher } from '../trust-source.ts';
import { follow, GrpcError } from './grpc-stream.ts';
import { mapEntry } from './protobuf.ts';

/** Milliseconds until the first bundle must have come. */
const PATIENCE = 10_000;
/** Milliseconds before the first new attempt; doubled with each that fails. */
const BACKOFF = { first: 500, longest: 30_000 };
const UNIMPLEMENTED = 12;

/**
 * The trust bundle that a SPIFFE Workload API gives, and each that it gives after that (SPIFFE Workload API §5.2, §6.3).
 * While it is away, the last one holds.
 * @param socketPath of its unix socket
 * @throws TrustBundleError when the first does not come
 */
export async function workloadApi(
  socketPath: string,
  trustDomain: string,
  watcher: TrustWatcher,
  patience = PATIENCE,
): Promise<TrustSource> {
  const ending = new AbortController();
  const key = `spiffe://${trustDomain}`;
  let latest: LatestBundle | undefined;
  let problem = 'no answer';
  const parts: { x509?: TrustBundle['x509']; jwt?: TrustBundle['jwt'] } = {};

  const first = Promise.withResolvers<LatestBundle>();
  const arrived = (part: Partial<TrustBundle>): void => {
    Object.assign(parts, part);
    const { x509, jwt } = parts;
    if (x509 === undefined || jwt === undefined) return;
    if (latest === undefined) {
      latest = new LatestBundle({ x509, jwt }, watcher);
      first.resolve(latest);
    } else latest.put({ x509, jwt });
  };
  const failed = (error: unknown): void => {
    problem = error instanceof Error ? error.message : String(error);
    if (latest !== undefined) watcher.fault(`Workload API: ${problem}`);
  };

  void keepFollowing('FetchX509Bundles', (message) => {
    const der = mapEntry(message, 2, key);
    if (der === undefined) throw new TrustBundleError(`no bundle of ${key}`);
    arrived({ x509: certificates(der).map(authorityFromDer) });
  });
  void keepFollowing('FetchJWTBundles', (message) => {
    const document = mapEntry(message, 1, key);
    arrived({ jwt: document === undefined ? [] : parseJwtAuthorities(Buffer.from(document).toString('utf8')) });
  });

  async function keepFollowing(method: string, receive: (message: Buffer) => void): Promise<void> {
    let pause = BACKOFF.first;
    while (!ending.signal.aborted) {
      try {
        await follow(
          socketPath,
          method,
          (message) => {
            receive(message);
            pause = BACKOFF.first;
          },
          ending.signal,
        );
      } catch (error) {
        if (ending.signal.aborted) return;
        // Not every endpoint has JWT-SVIDs.
        if (error instanceof GrpcError && error.code === UNIMPLEMENTED && method === 'FetchJWTBundles')
          return arrived({ jwt: [] });
        failed(error);
      }
      await wait(pause, undefined, { ref: false, signal: ending.signal }).catch(() => undefined);
      pause = Math.min(2 * pause, BACKOFF.longest);
    }
  }

  const late = setTimeout(() => first.reject(new TrustBundleError(problem)), patience);
  try {
    const { bundle } = await first.promise;
    return { current: () => latest?.bundle ?? bundle, close: () => ending.abort() };
  } catch (error) {
    ending.abort();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

/** Certificates that lie one behind the other (X509-SVID bundles are sent so). */
function certificates(der: Uint8Array): readonly Uint8Array[] {
  try {
    return [...elements(der)].map(({ whole }) => whole);
  } catch (error) {
    throw new TrustBundleError(error instanceof Error ? error.message : String(error));
  }
}
