import { readFileSync } from 'node:fs';
import { watchFiles } from '../watch-files.ts';
import { parseBundle } from './trust-bundle.ts';
import { LatestBundle, type TrustSource, type TrustWatcher } from './trust-source.ts';

/**
 * A trust bundle in a file, read again when it changes.
 * @throws TrustBundleError when it is none to begin with
 */
export function bundleFile(path: string, watcher: TrustWatcher): TrustSource {
  const latest = new LatestBundle(parseBundle(readFileSync(path, 'utf8')), watcher);
  const close = watchFiles([path], () => {
    try {
      latest.put(parseBundle(readFileSync(path, 'utf8')));
    } catch (error) {
      watcher.fault(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  return { current: () => latest.bundle, close };
}
