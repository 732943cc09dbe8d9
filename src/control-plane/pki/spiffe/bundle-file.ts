import { readFileSync } from 'node:fs';
import { watchFiles } from '../watch-files.ts';
import { parseBundle } from './trust-bundle.ts';
import { LatestBundle, type TrustSource, type TrustWatcher } from './trust-source.ts';

/**
 * A trust bundle in a file, read again when it changes: what is no bundle changes nothing, and one without authorities ends
 * everybody's.
 * @param everyMs between two looks
 * @throws TrustBundleError when it is none to begin with
 */
export function bundleFile(path: string, watcher: TrustWatcher, everyMs?: number): TrustSource {
  const latest = new LatestBundle(parseBundle(readFileSync(path, 'utf8')), watcher);
  const close = watchFiles(
    [path],
    () => {
      try {
        latest.put(parseBundle(readFileSync(path, 'utf8'), true));
      } catch (error) {
        watcher.fault(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    everyMs,
  );
  return { current: () => latest.bundle, close };
}
