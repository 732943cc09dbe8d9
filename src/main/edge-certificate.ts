import { type Config, readText } from '../control-plane/config/load.ts';
import { unusableCertificate } from '../control-plane/pki/own-certificate.ts';
import type { Pki } from '../control-plane/pki/pki.ts';
import { watchFiles } from '../control-plane/pki/watch-files.ts';

/** A certificate of ours lives for days; files of the operator's may have been renewed meanwhile. */
const RENEW_EVERY = 24 * 60 * 60 * 1000;

/** What the edge shows to clients: the operator's files, or one of the embedded authority's. @throws ConfigError */
export async function edgeCertificate(
  config: Config,
  pki: Pki,
): Promise<{ readonly key: string; readonly cert: string }> {
  const { tls } = config.edge;
  if (tls.cert === undefined || tls.key === undefined) {
    const { key, cert } = await pki.leaf(config.edge.server_names);
    return { key, cert };
  }
  const own = { key: readText(tls.key, 'a PEM file is needed'), cert: readText(tls.cert, 'a PEM file is needed') };
  const wrong = unusableCertificate(own, config.edge.server_names, Date.now());
  if (wrong !== undefined) throw config.fault({ ...wrong, path: ['edge', 'tls', wrong.half] });
  return own;
}

/** Calls `renew` each day, and when the operator's files have changed; until what is given back is called. */
export function renewals({ edge: { tls } }: Config, renew: () => void): () => void {
  const timer = setInterval(renew, RENEW_EVERY);
  const unwatch = watchFiles(
    [tls.cert, tls.key].filter((path) => path !== undefined),
    renew,
  );
  return () => {
    clearInterval(timer);
    unwatch();
  };
}
