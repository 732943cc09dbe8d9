import type { SandboxedServer } from '../../../../contract/bundle.ts';
import type { SandboxDriver } from '../../../../contract/sandbox-driver.ts';
import { Artefacts } from './artefacts.ts';
import { type Bundled, bundled } from './bundling.ts';
import { fromBundle } from './from-bundle.ts';
import { fromSnapshot } from './from-snapshot.ts';
import { Place } from './place.ts';

/** How a server is to be started now, and why it is not by a faster way that its pins name. */
export interface Started {
  readonly server: SandboxedServer;
  readonly against: readonly string[];
}

/**
 * A server whose pins name a snapshot or a bundle, as the server that starts from it. Its module is used only when it is
 * byte for byte the one that was compared with the server's files at `add`: the one that was kept, else one that is made
 * anew. Whatever goes wrong, the server starts in the next slower way, at last from its files, and the reason is told.
 * @param folder absolute, absent, in no folder that is forbidden to mounts; lives as long as the runtime
 * @param kept absolute path of what is kept between starts
 */
export async function started(
  driver: SandboxDriver,
  server: SandboxedServer,
  folder: string,
  kept: string,
): Promise<Started> {
  const against: string[] = [];
  if (server.start === undefined) return { server, against };
  const artefacts = new Artefacts(kept);
  let made: Promise<Bundled> | undefined;
  const module = async (kind: keyof Bundled, digest: string): Promise<Uint8Array> => {
    const known = artefacts.pinned(digest);
    if (known !== undefined) return known;
    made ??= bundled(driver, server);
    const one = (await made)[kind];
    if ('plain' in one) throw new Error(one.plain);
    if (one.digest !== digest) throw new Error(`it is ${one.digest} now, the lock pins ${digest}`);
    artefacts.keep(digest, one.code);
    return Buffer.from(one.code);
  };
  for (const [kind, start] of Object.entries({ snapshot: fromSnapshot, bundle: fromBundle })) {
    const digest = server.start[kind as keyof Bundled];
    if (digest === undefined) continue;
    try {
      const code = await module(kind as keyof Bundled, digest);
      const place = new Place(`${folder}-${kind}`);
      return { server: await start(driver, server, code, place, artefacts), against };
    } catch (error) {
      against.push(`its ${kind}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { server, against };
}
