import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LinkAddress } from '../contract/control-link.ts';
import type { FromLocalGateway, ToLocalGateway } from '../contract/zone-link.ts';
import { SafetyError } from '../control-plane/config/problem.ts';
import type { Pki } from '../control-plane/pki/pki.ts';
import { startZone } from '../control-plane/zones/start-zone.ts';

/** The name of the gateway that `up` starts. */
export const LOCAL = 'local';
const GRACE = 5000;

export interface LocalGateway {
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

/** What a gateway on zone 0's own machine is started with. */
export interface LocalStart {
  readonly name: string;
  readonly runtimeSocket: string;
  readonly auditFile: string;
  readonly pki: Pki;
}

/** Where zone 0 dials it. */
export function controlSocket({ name, runtimeSocket }: LocalStart): LinkAddress & { readonly path: string } {
  return { path: join(dirname(runtimeSocket), name === LOCAL ? 'control.sock' : `control-${name}.sock`) };
}

/** Starts zone 1 on zone 0's own machine; resolves when it can be dialled. @throws SafetyError */
export async function startLocalGateway(own: LocalStart): Promise<LocalGateway> {
  const { name, runtimeSocket, auditFile, pki } = own;
  const { key, cert } = await pki.zones.gateway(name);
  const control = controlSocket(own);
  const identity = { gateway: name, key, cert, authority: pki.zones.caPem, bundleKey: pki.bundleKey.publicPem };
  const main = join(import.meta.dirname, '../main.ts');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // What one that was killed has left behind.
  rmSync(control.path, { force: true });
  const zone = startZone<ToLocalGateway, FromLocalGateway>({ name: 'gateway', main, ownMounts: false }, (message) => {
    if (message.kind === 'dialable') resolve();
    else reject(new SafetyError(message.message));
  });
  void zone.exited.then(() => reject(new SafetyError('the gateway zone ended before it could be dialled')));
  zone.send({ kind: 'start', start: { identity, control, runtimeSocket, auditFile } });
  try {
    await promise;
  } catch (error) {
    await zone.stop(GRACE);
    throw error;
  }
  return { exited: zone.exited, stop: () => zone.stop(GRACE) };
}
