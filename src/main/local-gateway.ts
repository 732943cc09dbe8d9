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
  readonly address: LinkAddress;
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts zone 1 on zone 0's own machine; resolves when it can be dialled. @throws SafetyError */
export async function startLocalGateway(runtimeSocket: string, auditFile: string, pki: Pki): Promise<LocalGateway> {
  const { key, cert } = await pki.zones.gateway(LOCAL);
  const address = { path: join(dirname(runtimeSocket), 'control.sock') };
  const identity = { gateway: LOCAL, key, cert, authority: pki.zones.caPem, bundleKey: pki.bundleKey.publicPem };
  const main = join(import.meta.dirname, '../main.ts');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const zone = startZone<ToLocalGateway, FromLocalGateway>({ name: 'gateway', main, ownMounts: false }, (message) => {
    if (message.kind === 'dialable') resolve();
    else reject(new SafetyError(message.message));
  });
  void zone.exited.then(() => reject(new SafetyError('the gateway zone ended before it could be dialled')));
  zone.send({ kind: 'start', start: { identity, control: address, runtimeSocket, auditFile } });
  try {
    await promise;
  } catch (error) {
    await zone.stop(GRACE);
    throw error;
  }
  return { address, exited: zone.exited, stop: () => zone.stop(GRACE) };
}
