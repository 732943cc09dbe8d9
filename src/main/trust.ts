import type { EdgeSettings, GatewayBundle } from '../contract/bundle.ts';
import { type Config, readText } from '../control-plane/config/load.ts';
import { bundleFile } from '../control-plane/pki/spiffe/bundle-file.ts';
import { parseBundle, TrustBundleError } from '../control-plane/pki/spiffe/trust-bundle.ts';
import type { TrustSource, TrustWatcher } from '../control-plane/pki/spiffe/trust-source.ts';
import { workloadApi } from '../control-plane/pki/spiffe/workload-api/workload-api.ts';
import { watchFiles } from '../control-plane/pki/watch-files.ts';
import { log } from './log.ts';

/** Whose certificates count, as the operator's files and the Workload API say now. */
export interface Trust {
  workloads(): Pick<GatewayBundle, 'spiffe'>;
  close(): void;
}

/**
 * @param changed another bundle has to be published
 * @throws ConfigError when what the configuration names is not there, or not what it should be
 */
export async function openTrust(config: Config, changed: () => void): Promise<Trust> {
  const { spiffe } = config.identity;
  const { client_ca: clientCa } = config.edge.tls;
  clientAuthorities(config);
  const unwatch = clientCa === undefined ? () => {} : watchFiles([clientCa], changed);
  if (spiffe === undefined) return { workloads: () => ({}), close: unwatch };
  const source = await openSource(config, spiffe, { changed, fault });
  const { trust_domain: trustDomain, tenants = { '/': trustDomain } } = spiffe;
  return {
    workloads: () => {
      const { x509, jwt } = source.current();
      return { spiffe: { trustDomain, tenants, x509, jwt: { keys: jwt } } };
    },
    close: () => {
      unwatch();
      source.close();
    },
  };
}

/** @throws ConfigError when the file has no authority in it */
export function clientAuthorities(config: Config): Pick<EdgeSettings, 'clientCa'> {
  const { client_ca: file } = config.edge.tls;
  if (file === undefined) return {};
  try {
    return { clientCa: parseBundle(readText(file, 'a PEM file is needed')).x509.join('\n') };
  } catch (error) {
    if (!(error instanceof TrustBundleError)) throw error;
    throw config.fault({ path: ['edge', 'tls', 'client_ca'], message: error.message, mend: 'name a PEM file of CAs' });
  }
}

async function openSource(
  config: Config,
  { bundle, workload_api: socket = '', trust_domain: domain }: NonNullable<Config['identity']['spiffe']>,
  watcher: TrustWatcher,
): Promise<TrustSource> {
  try {
    return bundle === undefined ? await workloadApi(socket, domain, watcher) : bundleFile(bundle, watcher);
  } catch (error) {
    if (!(error instanceof TrustBundleError)) throw error;
    const key = bundle === undefined ? 'workload_api' : 'bundle';
    const mend = bundle === undefined ? 'see that it runs, and knows this process' : 'write the bundle anew';
    throw config.fault({ path: ['identity', 'spiffe', key], message: error.message, mend });
  }
}

function fault(message: string): void {
  log({ event: 'fault', error: `trust bundle: ${message}` });
}
